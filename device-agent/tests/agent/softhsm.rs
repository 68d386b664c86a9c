//! Tokens of SoftHSM, in a folder of the test process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use cryptoki::context::Pkcs11;
use tempfile::TempDir;

use crate::pki::write_private;

pub const PIN: &str = "271828";

/// The library that the Debian package brings, on whatever machine.
pub static MODULE: LazyLock<PathBuf> = LazyLock::new(|| {
    let known =
        ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
    let found = known.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM is installed (Debian: softhsm2)")
});

/// Where the tokens of this process are: SoftHSM reads that once, from the environment.
static TOKENS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, config) = (folder.path().join("tokens"), folder.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    // SAFETY: before the module is loaded; each test is a process of its own under nextest, and elsewhere nothing that runs beside it
    // changes the environment.
    unsafe { std::env::set_var("SOFTHSM2_CONF", &config) };
    folder
});

/// A token with a PIN file.
pub struct Token {
    label: &'static str,
    pub pin: PathBuf,
}

impl Token {
    pub fn new(label: &'static str) -> Self {
        let pin = TOKENS.path().join(format!("{label}.pin"));
        write_private(&pin, &format!("{PIN}\n"));
        util(&["--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", PIN]);
        Self { label, pin }
    }

    /// Puts a PKCS#8 key into the token.
    pub fn import(&self, label: &str, id: &str, key_pem: &str) {
        let file = TOKENS.path().join("import.key");
        write_private(&file, key_pem);
        util(&["--import", text(&file), "--token", self.label, "--pin", PIN, "--label", label, "--id", id]);
    }

    /// Takes the token away.
    pub fn delete(&self) {
        util(&["--delete-token", "--token", self.label]);
    }

    /// The URI of a key in it; `which` are attributes of the path.
    pub fn uri(&self, which: &str) -> String {
        format!(
            "pkcs11:token={};{which}?module-path={}&pin-source={}",
            self.label,
            MODULE.display(),
            self.pin.display()
        )
    }
}

/// Makes the module forget all sessions, and read anew which tokens there are.
pub fn forget() {
    Pkcs11::new(&*MODULE).unwrap().finalize().unwrap();
}

fn util(args: &[&str]) {
    let output = Command::new("softhsm2-util").args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "softhsm2-util {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
