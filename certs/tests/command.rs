//! The binary, end to end.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use firsthop_certs::{Authority, AuthorityCertificate, Defect, Identity};
use support::{common_names, is_ca, parse, text, verify};
use tempfile::tempdir;

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firsthop-certs")).current_dir(dir).args(arguments).output().unwrap()
}

fn succeed(dir: &Path, arguments: &[&str]) -> String {
    let output = run(dir, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn fail(dir: &Path, arguments: &[&str]) -> String {
    let output = run(dir, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
    text(&output)
}

#[test]
fn root_intermediate_device_and_server_make_chains_that_verify() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for kind in ["p256", "p384", "rsa2048", "ed25519"] {
        let out = kind;
        let (root, line) = (format!("{out}/root"), format!("{out}/line-1.pem"));
        succeed(dir.path(), &["root", "--cn", "Root", "--out", out, "--key-kind", kind, "--days", "30"]);
        let line_1 = ["--cn", "Line 1", "--out", out, "--stem", "line-1", "--path-length", "0", "--key-kind", kind];
        succeed(dir.path(), &[&["intermediate", "--ca", &root][..], &line_1].concat());
        let said =
            succeed(dir.path(), &["device", "--ca", &line, "--id", "dev.0001", "--out", out, "--key-kind", kind]);
        assert!(said.contains("dev.0001.pem") && said.contains("dev.0001.key") && !said.contains("warning"), "{said}");
        let sans = ["--san", "localhost", "--san", "127.0.0.1", "--out", out, "--key-kind", kind];
        succeed(dir.path(), &[&["server", "--ca", &root][..], &sans].concat());

        let root = at(&format!("{root}.pem"));
        let device = verify("sslclient", &root, &at(&format!("{out}/dev.0001.pem")));
        assert!(device.status.success(), "{kind}: {}", text(&device));
        let server = verify("sslserver", &root, &at(&format!("{out}/server.pem")));
        assert!(server.status.success(), "{kind}: {}", text(&server));
        for stem in ["root", "line-1", "dev.0001", "server"] {
            let key = fs::metadata(at(&format!("{out}/{stem}.key"))).unwrap();
            assert_eq!(key.permissions().mode() & 0o7777, 0o600);
        }
    }
}

#[test]
fn an_existing_key_stays_unless_forced() {
    let dir = tempdir().unwrap();
    let root = ["root", "--cn", "Root", "--out", "pki"];
    succeed(dir.path(), &root);
    let key = dir.path().join("pki/root.key");
    let before = fs::read(&key).unwrap();
    let said = fail(dir.path(), &root);
    assert!(said.contains("pki/root.key exists already") && said.contains("--force"), "{said}");
    assert_eq!(fs::read(&key).unwrap(), before);
    succeed(dir.path(), &[&root[..], &["--force"]].concat());
    assert_ne!(fs::read(&key).unwrap(), before);
}

#[test]
fn every_defect_can_be_ordered_by_name() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["root", "--cn", "Root", "--out", "."]);
    for defect in Defect::ALL.map(Defect::name) {
        let said = succeed(
            dir.path(),
            &["broken", "--ca", "root", "--id", "dev-1", "--defect", defect, "--stem", defect, "--out", "broken"],
        );
        assert!(said.contains("must be refused"), "{said}");
        Identity::read(dir.path().join("broken").join(defect)).unwrap();
    }
    let ca = Identity::read(dir.path().join("broken/ca-as-leaf")).unwrap();
    assert!(is_ca(&parse(&ca.chain[0])));
}

#[test]
fn a_hostile_registration_id_needs_a_stem_and_then_stands_in_the_certificate() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["root", "--cn", "Root", "--out", "."]);
    let device = ["device", "--ca", "root", "--id", "../a/b+#", "--out", "devices"];
    let said = fail(dir.path(), &device);
    assert!(said.contains("../a/b+#") && said.contains("--stem"), "{said}");
    succeed(dir.path(), &[&device[..], &["--stem", "hostile"]].concat());
    let identity = Identity::read(dir.path().join("devices/hostile")).unwrap();
    assert_eq!(common_names(&parse(&identity.chain[0])), ["../a/b+#"]);
}

#[test]
fn pki_makes_a_whole_that_fits_together() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["pki", "--out", "pki", "--devices", "3"]);
    let at = |name: &str| dir.path().join("pki").join(name);
    for device in ["devices/dev-0001", "devices/dev-0002", "devices/dev-0003"] {
        let verified = verify("sslclient", &at("root.pem"), &at(&format!("{device}.pem")));
        assert!(verified.status.success(), "{}", text(&verified));
    }
    assert!(!at("devices/dev-0004.pem").exists());
    let server = verify("sslserver", &at("root.pem"), &at("server.pem"));
    assert!(server.status.success(), "{}", text(&server));
    Authority::read(at("group")).unwrap().device("dev-0004").unwrap();
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let dir = tempdir().unwrap();
    let device = ["device", "--ca", "pki/root", "--id", "dev-1", "--out", "out"];
    let said = fail(dir.path(), &device);
    assert!(said.contains("pki/root.pem") && said.contains("No such file"), "{said}");
    succeed(dir.path(), &["root", "--cn", "Root", "--out", "pki"]);
    fs::set_permissions(dir.path().join("pki/root.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = fail(dir.path(), &device);
    assert!(said.contains("pki/root.key") && said.contains("chmod 600"), "{said}");
    fs::set_permissions(dir.path().join("pki/root.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.path().join("pki/root.key"), "garbage").unwrap();
    let said = fail(dir.path(), &device);
    assert!(said.contains("pki/root.key has no private key"), "{said}");
    fs::write(dir.path().join("file"), "").unwrap();
    let said = fail(dir.path(), &["root", "--cn", "Root", "--out", "file"]);
    assert!(said.contains("cannot make the directory file"), "{said}");
    assert!(!dir.path().join("out").exists(), "nothing is written when the authority cannot be loaded");
}

#[test]
fn issuing_from_a_broken_authority_works_with_a_warning() {
    let dir = tempdir().unwrap();
    AuthorityCertificate::new("Root").not_a_ca().self_signed().unwrap().write(dir.path(), "leaf").unwrap();
    let said = succeed(dir.path(), &["device", "--ca", "leaf", "--id", "dev-1", "--out", "."]);
    assert!(said.contains("warning") && said.contains("not a CA"), "{said}");
    AuthorityCertificate::new("Root").path_length(0).self_signed().unwrap().write(dir.path(), "short").unwrap();
    let said = succeed(dir.path(), &["device", "--ca", "short", "--id", "dev-2", "--out", "."]);
    assert!(!said.contains("warning"), "{said}");
    let said = succeed(dir.path(), &["intermediate", "--ca", "short", "--cn", "Below", "--out", "."]);
    assert!(said.contains("warning") && said.contains("path length"), "{said}");
}

#[test]
fn wrong_usage_is_exit_status_2_and_help_has_an_example() {
    let dir = tempdir().unwrap();
    for wrong in [&["device"][..], &["root", "--cn", "x", "--out", ".", "--key-kind", "dsa"], &["nonsense"]] {
        assert_eq!(run(dir.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
    for command in ["root", "intermediate", "device", "server", "broken", "pki"] {
        let help = succeed(dir.path(), &[command, "--help"]);
        assert!(help.contains(&format!("Example:\n  firsthop-certs {command} ")), "{help}");
    }
}
