//! What the file may say, and how a mistake in it is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use firsthop_agent::MqttVersion;
use firsthop_agent::disk::WhenFull;
use firsthop_agent::flow::Mode;
use tempfile::TempDir;

use super::*;

/// A folder with the files that every configuration names.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        for name in ["root.pem", "hub-root.pem", "device.pem"] {
            folder.write(name, &certificate.pem());
        }
        folder.write("device.key", &key.serialize_pem());
        let key = folder.path().join("device.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub fn load(&self, text: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        self.write("agent.toml", text);
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        firsthop_config::load(&self.path().join("agent.toml"), env, ENVIRONMENT)
            .and_then(Settings::of)
            .map_err(|error| error.to_string())
    }

    fn accepted(&self, lines: &str) -> Settings {
        self.load(&format!("{NEEDED}{lines}"), &[]).unwrap_or_else(|error| panic!("{lines}\n{error}"))
    }

    fn refused(&self, lines: &str) -> String {
        self.load(&format!("{NEEDED}{lines}"), &[]).expect_err(lines)
    }
}

/// Eight lines; what follows begins at line 9.
const NEEDED: &str = r#"[service]
host = "provisioning.example"
ca = "root.pem"

[identity]
certificate = "device.pem"
key = "device.key"

"#;

#[test]
fn the_least_file_has_the_defaults() {
    let folder = Folder::new();
    let Settings { device, local, methods, log } = folder.accepted("");
    assert_eq!(device.service.to_string(), "provisioning.example:8883");
    assert_eq!(device.policy, firsthop_agent::flow::Policy::default());
    assert_eq!(device.outbox, firsthop_agent::disk::OutboxLimits::default());
    assert_eq!(device.state, Path::new("/var/lib/firsthop-agent"));
    assert_eq!((device.timeout, device.keep_alive), (Duration::from_secs(10), Duration::from_secs(60)));
    assert_eq!((device.mqtt, device.warn_before), (MqttVersion::V5, Duration::from_secs(30 * 86_400)));
    assert_eq!(local, Local { socket: PathBuf::from("/run/firsthop-agent/agent.sock"), managers: vec![0] });
    assert!(methods.is_empty());
    assert_eq!((log.filter.as_str(), *log.format), ("info", logging::Format::Auto));
    device.credentials.load().unwrap();
}

#[test]
fn what_is_written_is_meant() {
    let folder = Folder::new();
    let settings = folder.accepted(
        r#"[state]
folder = "state"
[provisioning]
mode = "on-error-only"
look_up_first = true
measure = true
metadata = { site = "x" }
endpoints = { ssh = "ssh://x" }
model = "m"
payload = [1]
first_wait = "6s"
longest_wait = "7m"
refused_wait = "8m"
patience = "9m"
[hub]
ca = "hub-root.pem"
keep_alive = "20s"
allowed = ["Hub.example.com", ".hubs.example.com"]
[mqtt]
version = "3.1.1"
timeout = "3s"
[outbox]
messages = 10
size = "1MiB"
when_full = "refuse"
[local]
socket = "agent.sock"
managers = ["root", "1234"]
[methods.restart-it]
command = ["/bin/sh", "-c", "true"]
timeout = "1s"
output = "1KiB"
answer_first = true
[log]
format = "json"
filter = "debug"
"#,
    );
    let device = settings.device;
    assert_eq!(device.state, folder.path().join("state"));
    let policy = &device.policy;
    assert_eq!((policy.mode, policy.look_up_first, device.register.measure), (Mode::OnErrorOnly, true, true));
    let waits =
        [policy.first_wait, policy.longest_wait, policy.refused_wait, policy.patience].map(|wait| wait.as_secs());
    assert_eq!(waits, [6, 420, 480, 540]);
    assert_eq!(policy.allowed_hubs, ["hub.example.com", ".hubs.example.com"]);
    let register = &device.register;
    assert_eq!(register.metadata.as_ref().unwrap()["site"], "x");
    assert_eq!(register.endpoints.as_ref().unwrap()["ssh"], "ssh://x");
    assert_eq!(
        (register.model.as_deref(), &register.payload.as_ref().unwrap().0),
        (Some("m"), &serde_json::json!([1]))
    );
    assert_eq!((device.mqtt, device.timeout.as_secs(), device.keep_alive.as_secs()), (MqttVersion::V311, 3, 20));
    let outbox = device.outbox;
    assert_eq!((outbox.messages, outbox.bytes, outbox.when_full), (10, 1 << 20, WhenFull::Refuse));
    let socket = folder.path().join("agent.sock");
    assert_eq!(settings.local, Local { socket, managers: vec![0, 1234] });
    let expected = Method {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "true".to_owned()],
        timeout: Duration::from_secs(1),
        output: 1024,
        answer_first: true,
    };
    assert_eq!(settings.methods, BTreeMap::from([("restart-it".to_owned(), expected)]));
}

#[test]
fn the_environment_overrides_the_file_and_variables_of_options_do_not() {
    let folder = Folder::new();
    let env = [
        ("FIRSTHOP_AGENT__SERVICE__HOST", "other.example"),
        ("FIRSTHOP_AGENT__SERVICE__PORT", "1234"),
        ("FIRSTHOP_AGENT__LOG__FILTER", "debug"),
        ("FIRSTHOP_AGENT_HOST", "not.this.example"),
        ("FIRSTHOP_AGENT_LOG", "trace"),
    ];
    let settings = folder.load(NEEDED, &env).unwrap();
    assert_eq!(settings.device.service.to_string(), "other.example:1234");
    assert_eq!(settings.log.filter.as_str(), "debug");
    let error = folder.load(NEEDED, &[("FIRSTHOP_AGENT__SERVICE__HOTS", "x")]).unwrap_err();
    assert!(error.contains("FIRSTHOP_AGENT__SERVICE__HOTS") && error.contains("did you mean `host`?"), "{error}");
}

#[test]
fn a_mistake_is_told_where_it_stands() {
    let folder = Folder::new();
    folder.write("broken.pem", "nothing");
    folder.write("script", "#!/bin/sh\n");
    let method = |command: &str| format!("[methods.m]\ncommand = {command}\n");
    let script = method(&format!("[{:?}]", folder.path().join("script")));
    let cases: Vec<(&str, usize, &str)> = vec![
        ("[statee]\n", 9, "did you mean `state`?"),
        ("[provisioning]\nfirst_wait = \"1s\"\n", 10, "must be 5s to 1h, not 1s"),
        ("[provisioning]\nlongest_wait = \"4s\"\n", 10, "must be 5s to 1day, not 4s"),
        ("[provisioning]\nrefused_wait = \"1s\"\n", 10, "must be 5s to 7days"),
        ("[provisioning]\npatience = 5\n", 10, "needs a unit"),
        ("[provisioning]\nmode = \"always\"\n", 10, "always-on-startup"),
        ("[provisioning]\nmetadata = 5\n", 10, "expected a map"),
        ("[provisioning]\nmetadata = { day = 2026-01-01 }\n", 10, "write a date as text"),
        ("[provisioning]\nendpoints = { ssh = \"\" }\n", 10, "an address has 1 to 512 bytes"),
        ("[hub]\nca = \"broken.pem\"\n", 10, "holds no certificate"),
        ("[hub]\nkeep_alive = \"0s\"\n", 10, "must be 1s to 1h"),
        ("[hub]\nallowed = [\"*.example.com\"]\n", 10, "write \".example.com\""),
        ("[hub]\nallowed = [\"https://a\"]\n", 10, "neither a host nor a suffix"),
        ("[hub]\nallowed = [\"a.b\", \"A.b\"]\n", 10, "a.b is there twice"),
        ("[mqtt]\nversion = \"4\"\n", 10, "3.1.1"),
        ("[mqtt]\ntimeout = \"1h\"\n", 10, "must be 1s to 2m"),
        ("[outbox]\nmessages = 0\n", 10, "must be 1 to 10000000, not 0"),
        ("[outbox]\nsize = \"1KiB\"\n", 10, "must be 256KiB to"),
        ("[local]\nmanagers = [\"no-such-user-here\"]\n", 10, "no user"),
        ("[local]\nmanagers = [\"root\", \"0\"]\n", 10, "is there twice"),
        ("[methods.\"a/b\"]\ncommand = [\"/bin/sh\"]\n", 9, "'/'"),
        ("[methods.m]\ncommand = []\n", 10, "at least its program"),
        ("[methods.m]\ncommand = [\"reboot\"]\n", 10, "absolute path"),
        ("[methods.m]\ncommand = [\"/no/such/program\"]\n", 10, "No such file"),
        ("[methods.m]\ncommand = [\"/usr\"]\n", 10, "is no file"),
        (&script, 10, "is not executable"),
        ("[methods.m]\ncommand = [\"/bin/sh\"]\ntimeout = \"1h\"\n", 11, "must be 100ms to 5m"),
        ("[methods.m]\ncommand = [\"/bin/sh\"]\noutput = \"1MiB\"\n", 11, "must be 0B to 64KiB"),
        ("[methods.m]\ncommand = [\"/bin/sh\"]\nshell = true\n", 11, "unknown field `shell`"),
        ("[log]\nformat = \"xml\"\n", 10, "xml"),
        ("[log]\nfilter = \"firsthop=loud\"\n", 10, "no filter"),
    ];
    for (lines, line, message) in cases {
        let error = folder.refused(lines);
        assert!(error.contains(&format!("agent.toml:{line}:")), "line {line} expected:\n{lines}\n{error}");
        assert!(error.contains(message), "{message} expected:\n{lines}\n{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let folder = Folder::new();
    let text = "[service]\nhost = \"a b\"\nport = 0\nca = \"no.pem\"\n[identity]\ncertificate = \"no.crt\"\nkey = \"no.key\"\n\
                [local]\nmanagers = [\"no-such-user-here\"]\n[methods.m]\ncommand = [\"x\"]\n[log]\nfilter = \"=\"\n";
    let error = folder.load(text, &[]).unwrap_err();
    for line in [4, 6, 7, 9, 11, 13] {
        assert!(error.contains(&format!("agent.toml:{line}:")), "{line}: {error}");
    }
    let text = text.replace("no.pem", "root.pem");
    let error = folder.load(&text, &[]).unwrap_err();
    for line in [2, 3] {
        assert!(error.contains(&format!("agent.toml:{line}:")), "{line}: {error}");
    }
}

#[test]
fn a_key_of_a_token_is_no_file() {
    let folder = Folder::new();
    for scheme in ["pkcs11", "PKCS11"] {
        let uri = format!("{scheme}:token=gw;object=device?module-path=/no/such/module.so");
        if let Err(error) = folder.load(&NEEDED.replace("device.key", &uri), &[]) {
            assert!(!error.contains("No such file"), "{error}");
        }
    }
}

#[test]
fn what_is_said_when_registering_fits_into_a_request() {
    let error = Folder::new().refused(&format!("[provisioning]\nmetadata = {{ a = \"{}\" }}\n", "x".repeat(13_000)));
    assert!(error.contains("agent.toml:10:") && error.contains("are allowed together"), "{error}");
}
