//! A device whose key never leaves its token registers at the service.

use std::path::PathBuf;
use std::process::Command;

use firsthop_certs::{DeviceCertificate, KeyKind};
use firsthop_tests::*;
use serde_json::Value;
use tempfile::TempDir;

const PIN: &str = "271828";

/// A SoftHSM of its own, with one token.
struct Token {
    folder: TempDir,
}

impl Token {
    /// Makes a token that holds this key.
    fn holding(key_pem: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tokens")).unwrap();
        let config = format!("directories.tokendir = {}\n", folder.path().join("tokens").display());
        std::fs::write(folder.path().join("softhsm2.conf"), config).unwrap();
        std::fs::write(folder.path().join("import.key"), key_pem).unwrap();
        let token = Self { folder };
        let pins = ["--pin", PIN, "--so-pin", "31415926"];
        token.util(&[&["--init-token", "--free", "--label", "gateway"][..], &pins].concat());
        let key = token.path("import.key");
        let import = ["--import", key.to_str().unwrap(), "--token", "gateway", "--pin", PIN];
        token.util(&[&import[..], &["--label", "device", "--id", "01"]].concat());
        std::fs::remove_file(key).unwrap();
        token.set_pin(PIN);
        token
    }

    fn set_pin(&self, pin: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path("pin"), pin).unwrap();
        std::fs::set_permissions(self.path("pin"), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn util(&self, arguments: &[&str]) {
        let ended = run(Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", self.path("softhsm2.conf")));
        assert!(ended.status.success(), "{ended:?}");
    }

    fn uri(&self) -> String {
        let known = [
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib64/softhsm/libsofthsm2.so",
            "/usr/lib64/pkcs11/libsofthsm2.so",
        ];
        let module = known.iter().find(|path| std::path::Path::new(path).exists()).expect("SoftHSM (Debian: softhsm2)");
        format!("pkcs11:token=gateway;object=device?module-path={module}&pin-source={}", self.path("pin").display())
    }
}

struct Site {
    pki: Pki,
    config: ServiceConfig,
    service: Service,
}

impl Site {
    fn new() -> Self {
        let pki = Pki::new();
        let config = ServiceConfig::new(&pki);
        let service = config.start();
        Self { pki, config, service }
    }

    /// `firsthop-agent register` of a device with such a key, which is in a token.
    fn register(&self, id: &str, kind: KeyKind, trouble: impl FnOnce(&Token)) -> Ended {
        let identity = DeviceCertificate::new(id).key_kind(kind).signed_by(&self.pki.factory).unwrap();
        let token = Token::holding(&identity.key_pem());
        trouble(&token);
        let (certificate, key) = self.config.device_files(id, &identity);
        std::fs::remove_file(key).unwrap();
        run(Command::new(binary("firsthop-agent"))
            .args(["register", "--output", "json", "--host", "localhost", "--port", &self.service.port().to_string()])
            .arg("--ca")
            .arg(self.config.root_file())
            .arg("--cert")
            .arg(certificate)
            .arg("--key")
            .arg(token.uri())
            .env("SOFTHSM2_CONF", token.path("softhsm2.conf")))
    }
}

#[test]
fn devices_with_ec_and_rsa_keys_in_tokens_are_assigned() {
    let site = Site::new();
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let id = format!("token-{kind}");
        let ended = site.register(&id, kind, |_| {});
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        let answer = ended.json();
        assert_eq!((&answer["state"], &answer["registrationId"]), (&Value::from("assigned"), &Value::from(id)));
    }
}

#[test]
fn a_wrong_pin_is_told_without_showing_it() {
    let site = Site::new();
    let ended = site.register("dev-1", KeyKind::P256, |token| token.set_pin("161803"));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("pkcs11:token=gateway;object=device: the token refuses the PIN in"), "{ended:?}");
    assert!(!ended.stderr.contains("161803"), "{ended:?}");
}
