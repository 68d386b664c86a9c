//! What a file may say, and how a mistake in it is told: with its line, and what to do.

use std::fs;
use std::path::Path;

use firsthop_certs::Authority;
use tempfile::TempDir;

use super::*;

/// A folder with a PKI: `server.pem`, `ca.pem` and `other.pem` (authorities), `dev.pem` (a device's).
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let [ca, other] = ["ca", "other"].map(|name| Authority::root(name).unwrap());
        let names = ["localhost".to_owned()];
        for (file, pem) in [
            ("ca.pem", ca.certificate_pem()),
            ("other.pem", other.certificate_pem()),
            ("server.pem", ca.server(&names).unwrap().chain_pem()),
            ("dev.pem", ca.device("dev-1").unwrap().chain_pem()),
        ] {
            folder.write(file, &pem);
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    fn load(&self, text: &str) -> Result<Settings, String> {
        self.write("firsthop.toml", text);
        Settings::load(&self.path().join("firsthop.toml")).map_err(|error| error.to_string())
    }

    /// The message about these lines, which stand after those that every file needs.
    fn refused(&self, lines: &str) -> String {
        self.load(&format!("{NEEDED}{lines}")).expect_err(lines)
    }

    fn accepted(&self, lines: &str) -> Settings {
        self.load(&format!("{NEEDED}{lines}")).unwrap_or_else(|error| panic!("{lines}\n{error}"))
    }
}

/// Eleven lines; what follows begins at line 12.
const NEEDED: &str = r#"[tls]
certificate = "server.pem"
key = "server.key"

[store]
path = "registry.redb"

[[hubs]]
name = "hub-1"
host = "hub-1.example.com"

"#;

#[test]
fn the_least_file_has_the_defaults_and_paths_below_its_folder() {
    let folder = Folder::new();
    let settings = folder.accepted("");
    assert_eq!(settings.listener.address.to_string(), "0.0.0.0:8883");
    assert_eq!(settings.tls.key, folder.path().join("server.key"));
    assert_eq!(settings.store, folder.path().join("registry.redb"));
    assert_eq!(settings.shutdown.grace, Duration::from_secs(10));
    assert_eq!(settings.declared.hubs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hub-1.example.com:8883"]);
    assert!(settings.declared.book.is_empty());
}

#[test]
fn a_file_without_its_server_certificate_is_refused() {
    let error = Folder::new().load("[store]\npath = \"x\"\n").unwrap_err();
    assert!(error.contains("tls"), "{error}");
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_one_that_was_meant() {
    let error = Folder::new().refused("[limits]\nsesions = 7\n");
    assert!(error.contains("firsthop.toml:13:1"), "{error}");
    assert!(error.contains("did you mean `sessions`?"), "{error}");
}

#[test]
fn mistakes_in_declarations_are_told_where_they_stand() {
    let folder = Folder::new();
    folder.write("broken.pem", "no certificate");
    folder.write("broken.json", "{");
    let group = "[[groups]]\nid = \"g\"\nprimary = \"ca.pem\"\n";
    let cases = [
        ("[[hubs]]\nname = \"hub-1\"\nhost = \"h\"\n", 13, "declared already at"),
        ("[[hubs]]\nname = \"hub-2\"\nhost = \"h\"\nweight = 0\n", 15, "1 to 1000, not 0"),
        ("[[hubs]]\nname = \"hub-2\"\nhost = \"h\"\nweight = 1001\n", 15, "1 to 1000, not 1001"),
        ("[[hubs]]\nname = \"hub-2\"\nhost = \"mqtts://h\"\n", 14, "a DNS name or an IP address"),
        ("[[hubs]]\nname = \"a/b\"\nhost = \"h\"\n", 13, "'/'"),
        ("[[models]]\nname = \"m\"\nschema = { inline = { type = \"nonsense\" } }\n", 14, "no JSON Schema"),
        ("[[models]]\nname = \"m\"\nschema = { file = \"broken.json\" }\n", 14, "broken.json"),
        ("[[models]]\nname = \"m\"\n[[models]]\nname = \"m\"\n", 15, "declared already"),
        ("[[groups]]\nid = \"g\"\nprimary = \"missing.pem\"\n", 14, "missing.pem"),
        ("[[groups]]\nid = \"g\"\nprimary = \"broken.pem\"\n", 14, "broken.pem"),
        ("[[groups]]\nid = \"g\"\nprimary = \"dev.pem\"\n", 14, "it is not a CA certificate"),
        (&format!("{group}hubs = [\"hub-1\", \"hub-9\"]\n"), 15, "hub hub-9 is not declared"),
        (&format!("{group}model = \"m\"\n"), 15, "device model m is not declared"),
        (&format!("{group}metadata = {{ patterns = {{ serial = \"[\" }} }}\n"), 15, "no regular expression"),
        (&format!("{group}topics = {{ publish = [\"a/#/b\"] }}\n"), 15, "no topic filter"),
        (&format!("{group}topics = {{ subscribe = [\"$provisioning/#\"] }}\n"), 15, "cannot be granted"),
        (&format!("{group}quotas = {{ registrations = \"0/min\" }}\n"), 15, "rate"),
        (&format!("{group}allocation = \"random\"\n"), 15, "random"),
        (&format!("{group}[[groups]]\nid = \"G\"\nprimary = \"other.pem\"\n"), 16, "is there twice"),
        (&format!("{group}[[groups]]\nid = \"h\"\nprimary = \"ca.pem\"\n"), 16, "both have the CA"),
        ("[[individuals]]\nregistration_id = \"a b\"\nprimary = \"dev.pem\"\n", 13, "' '"),
        ("[limits]\ntime_to_connect = 10\n", 13, "10"),
        ("[limits]\npacket_size = \"5 parsecs\"\n", 13, "parsecs"),
        ("[log]\nformat = \"xml\"\n", 13, "xml"),
        ("[[hubs]]\nname = \"h\"\nhost = \"h\"\nport = 0\n", 15, "port 0"),
        (
            "[[hubs]]\nname = \"h\"\nhost = \"h\"\nlisten = \"127.0.0.1:1\"\nshared = true\n",
            13,
            "one of listen, shared and remote",
        ),
        ("[[hubs]]\nname = \"h\"\nhost = \"h\"\nlisten = \"0.0.0.0:8883\"\n", 15, "listener.address listens on"),
        ("[[hubs]]\nname = \"h\"\nhost = \"h\"\nremote = \"http://h\"\n", 15, "https://host:port"),
        ("[[hubs]]\nname = \"h\"\nhost = \"h\"\nremote = \"https://h:1\"\n", 15, "[hub_client]"),
        (&format!("{group}allocation = \"custom\"\n"), 15, "asks a webhook"),
        (&format!("{group}webhook = {{ url = \"https://a.example\" }}\n"), 15, "set allocation"),
        (&format!("{group}allocation = \"custom\"\nwebhook = {{ url = \"http://a.example\" }}\n"), 16, "use https://"),
        (
            &format!("{group}allocation = \"custom\"\nwebhook = {{ url = \"https://u:p@a.example\" }}\n"),
            16,
            "secret_file",
        ),
        (
            &format!(
                "{group}allocation = \"custom\"\nwebhook = {{ url = \"https://a.example\", secret_file = \"no.key\" }}\n"
            ),
            16,
            "no.key",
        ),
        (&format!("{group}reprovision = \"sometimes\"\n"), 15, "sometimes"),
        (&format!("{group}initial_twin = {{ tags = {{ \"a.b\" = 1 }} }}\n"), 15, "initial_twin"),
        (&format!("{group}initial_twin = {{ desired = {{ day = 2026-01-01 }} }}\n"), 15, "write a date as text"),
        (&format!("{group}resources = {{ command_queue = {{ messages = 1001 }} }}\n"), 15, "at most 1000 messages"),
        (&format!("{group}resources = {{ events = {{ bytes = \"2MiB\" }} }}\n"), 15, "at most 1"),
        (&format!("{group}resources = {{ command_queue = {{ expiry = \"8d\" }} }}\n"), 15, "8d"),
    ];
    for (lines, line, message) in cases {
        let error = folder.refused(lines);
        assert!(error.contains(&format!("firsthop.toml:{line}:")), "line {line} expected:\n{lines}\n{error}");
        assert!(error.contains(message), "{message} expected:\n{lines}\n{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = Folder::new()
        .refused("[[hubs]]\nname = \"hub-1\"\nhost = \"\"\nweight = 0\n[[groups]]\nid = \"g\"\nprimary = \"no.pem\"\n");
    for line in [13, 14, 15, 18] {
        assert!(error.contains(&format!("firsthop.toml:{line}:")), "{line}: {error}");
    }
}

#[test]
fn the_static_policy_needs_exactly_one_hub() {
    let folder = Folder::new();
    let group = "[[groups]]\nid = \"g\"\nprimary = \"ca.pem\"\nallocation = \"static\"\n";
    folder.accepted(group);
    let two = format!("[[hubs]]\nname = \"hub-2\"\nhost = \"h\"\n{group}");
    assert!(folder.refused(&two).contains("exactly one hub, but group:g has 2"));
    folder.accepted(&format!("{two}hubs = [\"hub-2\"]\n"));
}

#[test]
fn an_individual_enrollment_has_what_the_file_says() {
    let folder = Folder::new();
    let text = "[[models]]\nname = \"m\"\n[[individuals]]\nregistration_id = \"DEV-1\"\ndevice_id = \"Pump\"\nprimary = \"dev.pem\"\n\
                enabled = false\nmodel = \"m\"\nhubs = [\"hub-1\"]\nquotas = { registrations = \"6/min\" }\n";
    let settings = folder.accepted(text);
    let id = "dev-1".parse().unwrap();
    let entry = settings.declared.book.individual(&id).unwrap();
    assert!(!entry.enabled);
    assert_eq!(entry.device_id.as_ref().unwrap().as_str(), "Pump");
    assert_eq!(entry.model.as_ref().unwrap().name, "m");
    assert_eq!(entry.hubs.len(), 1);
    assert_eq!(entry.quotas.registrations.unwrap().count.get(), 6);
    assert_eq!(entry.quotas.lookups, None);
}

#[test]
fn hubs_are_of_four_kinds_and_are_told_with_the_port_where_they_are() {
    let folder = Folder::new();
    let client = "[hub_client]\ncertificate = \"a\"\nkey = \"b\"\nca = \"c\"\n";
    let hub = |name: &str, rest: &str| format!("[[hubs]]\nname = \"{name}\"\nhost = \"h\"\n{rest}\n");
    let hubs = [
        hub("own", "listen = \"127.0.0.1:9001\""),
        hub("told", "listen = \"127.0.0.1:9002\"\nport = 443"),
        hub("shared", "shared = true"),
        hub("far", "remote = \"https://10.0.0.5:8444\""),
    ]
    .concat();
    let settings = folder.accepted(&format!("{client}{hubs}"));
    let told: Vec<String> =
        settings.declared.hubs.iter().map(|hub| format!("{} {hub} {:?}", hub.name, hub.kind)).collect();
    let expected = [
        "far h:8883 Remote { url: \"https://10.0.0.5:8444\" }",
        "hub-1 hub-1.example.com:8883 External",
        "own h:9001 Embedded(Own(127.0.0.1:9001))",
        "shared h:8883 Embedded(Shared)",
        "told h:443 Embedded(Own(127.0.0.1:9002))",
    ];
    assert_eq!(told, expected);
    assert_eq!(settings.hub_client.unwrap().ca, folder.path().join("c"));
}

#[test]
fn a_shared_hub_that_its_host_does_not_tell_apart_is_named() {
    let folder = Folder::new();
    let notices = |host: &str, rest: &str| {
        let hub = |name: &str| format!("[[hubs]]\nname = \"{name}\"\nhost = \"{host}\"\n{rest}\n");
        folder.accepted(&[hub("hub-x"), hub("hub-y")].concat()).notices
    };
    for host in ["localhost", "127.0.0.1"] {
        let found = notices(host, "shared = true");
        assert!(found.iter().any(|notice| notice.contains("hub-x") && notice.contains(host)), "{found:?}");
    }
    let found = notices("same.example", "shared = true");
    assert!(found.iter().any(|notice| notice.contains("hub-y") && notice.contains("same.example")), "{found:?}");
    assert_eq!(notices("localhost", "listen = \"127.0.0.1:0\""), Vec::<String>::new());
    assert_eq!(notices("localhost", ""), Vec::<String>::new());
}

#[test]
fn a_process_with_hubs_only_has_hubs_a_hub_port_and_no_enrollments() {
    let folder = Folder::new();
    let port = "[hub_port]\nlisten = \"127.0.0.1:0\"\ncertificate = \"a\"\nkey = \"b\"\nclient_ca = \"c\"\nclients = [\"p\"]\n";
    let hub = "[[hubs]]\nname = \"h\"\nhost = \"h\"\nlisten = \"127.0.0.1:0\"\n";
    let base = NEEDED.split("[[hubs]]").next().unwrap();
    let only = format!("{base}[provisioning]\nenabled = false\n");
    assert!(folder.load(&format!("{only}{port}{hub}")).is_ok());
    let group = "[[groups]]\nid = \"g\"\nprimary = \"ca.pem\"\n";
    for (text, message) in [
        (format!("{only}{hub}"), "[hub_port]"),
        (format!("{only}{port}"), "[[hubs]] is needed"),
        (format!("{only}{port}{hub}{group}"), "[[groups]] belongs"),
        (format!("{only}{port}[[hubs]]\nname = \"h\"\nhost = \"h\"\n"), "a port to listen on"),
        (format!("{base}{port}{hub}"), "hubs only"),
    ] {
        let error = folder.load(&text).expect_err(message);
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn what_devices_are_given_is_as_the_file_says_and_a_change_of_it_changes_the_digest() {
    let folder = Folder::new();
    folder.write("webhook.key", "secret\n");
    let of = |lines: &str| {
        let group = "[[groups]]\nid = \"g\"\nprimary = \"ca.pem\"\n";
        let settings = folder.accepted(&format!("{group}{lines}"));
        let entry = settings.declared.book.iter().next().unwrap().clone();
        (entry, settings.notices)
    };
    let (plain, _) = of("");
    assert_eq!((plain.reprovision, plain.resources), (None, Default::default()));
    let twin = "initial_twin = { tags = { site = \"x\" }, desired = { interval = 5 } }\n";
    assert_eq!(of(twin).0.digest, plain.digest, "the twin is the device's own once it has it");
    assert_eq!(of(twin).0.initial_twin.desired["interval"], 5);
    for told in [
        "capabilities = { iot_edge = true }\n",
        "resources = { command_queue = { messages = 7 } }\n",
        "topics = { publish = [\"a\"] }\n",
        "secondary = \"other.pem\"\n",
    ] {
        assert_ne!(of(told).0.digest, plain.digest, "{told}");
    }
    let custom =
        "allocation = \"custom\"\nwebhook = { url = \"http://127.0.0.1:1/\", secret_file = \"webhook.key\" }\n";
    let (entry, notices) = of(custom);
    assert_eq!(&*entry.webhook.as_ref().unwrap().secret.as_ref().unwrap().0, b"secret");
    assert!(notices.iter().any(|notice| notice.contains("webhook.key") && notice.contains("0600")), "{notices:?}");
}
