//! Certificates and keys on disk: modes, no overwriting, and authorities that issue again after a reload.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use firsthop_certs::{Authority, AuthorityCertificate, FileError, Identity, KeyKind, LoadError};
use support::{common_names, openssl, parse, text, verify};
use tempfile::tempdir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn keys_are_0600_certificates_0644_and_new_directories_0700() {
    let dir = tempdir().unwrap();
    let deep = dir.path().join("a/b");
    let pair = Authority::root("Root").unwrap().write(&deep, "dev.0001").unwrap();
    assert_eq!((pair.certificate.clone(), pair.key.clone()), (deep.join("dev.0001.pem"), deep.join("dev.0001.key")));
    assert_eq!(mode(&pair.certificate), 0o644);
    assert_eq!(mode(&pair.key), 0o600);
    assert_eq!((mode(&deep), mode(&dir.path().join("a"))), (0o700, 0o700));
    assert_eq!(names(&deep), ["dev.0001.key", "dev.0001.pem"], "no temporary file is left");
}

#[test]
fn files_that_exist_are_not_overwritten_and_nothing_is_left_behind() {
    let dir = tempdir().unwrap();
    let root = Authority::root("Root").unwrap();
    for in_the_way in ["root.pem", "root.key"] {
        let path = dir.path().join(in_the_way);
        fs::write(&path, "mine").unwrap();
        let error = root.write(dir.path(), "root").unwrap_err();
        assert!(matches!(&error, FileError::Exists(named) if *named == path), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(names(dir.path()), [in_the_way]);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn replacing_takes_both_files_and_closes_an_open_key() {
    let dir = tempdir().unwrap();
    let pair = Authority::root("Old").unwrap().write(dir.path(), "root").unwrap();
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o644)).unwrap();
    let new = Authority::root("New").unwrap();
    new.replace(dir.path(), "root").unwrap();
    assert_eq!(mode(&pair.key), 0o600);
    assert_eq!(Authority::read(dir.path().join("root")).unwrap().certificate_der(), new.certificate_der());
    assert_eq!(names(dir.path()), ["root.key", "root.pem"]);
}

#[test]
fn stems_that_are_no_plain_file_names_are_refused() {
    let dir = tempdir().unwrap();
    let root = Authority::root("Root").unwrap();
    let long = "x".repeat(201);
    for stem in ["", ".", "..", "../up", "a/b", "/abs", "a\0b", "a\nb", ".hidden", long.as_str()] {
        assert!(matches!(root.write(dir.path(), stem), Err(FileError::Stem(refused)) if refused == stem), "{stem:?}");
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_device_of_a_reloaded_authority_verifies_below_the_old_root() {
    for kind in KeyKind::ALL {
        let dir = tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let root = AuthorityCertificate::new("Root").key_kind(kind).self_signed().unwrap();
        root.write(dir.path(), "root").unwrap();
        root.intermediate("Upper").unwrap().write(dir.path(), "upper").unwrap();
        let upper = Authority::read(at("upper")).unwrap();
        upper.intermediate("Lower").unwrap().write(dir.path(), "lower").unwrap();
        let device = Authority::read(at("lower")).unwrap().device("dev-1").unwrap();
        assert_eq!(device.chain.len(), 3, "both intermediates came back from the file");
        device.write(dir.path(), "device").unwrap();
        let verified = verify("sslclient", &at("root.pem"), &at("device.pem"));
        assert!(verified.status.success(), "{kind}: {}", text(&verified));
        assert_eq!(Authority::read(at("root")).unwrap().device("dev-2").unwrap().chain.len(), 1);
    }
}

#[test]
fn an_identity_comes_back_as_it_was_written() {
    let dir = tempdir().unwrap();
    let device = Authority::root("Root").unwrap().intermediate("Group").unwrap().device("dev-1").unwrap();
    device.write(dir.path(), "dev-1").unwrap();
    let back = Identity::read(dir.path().join("dev-1")).unwrap();
    assert_eq!(back.chain, device.chain);
    assert_eq!(back.key, device.key);
}

#[test]
fn an_authority_made_by_openssl_can_issue() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (certificate, key) = (at("ca.pem"), at("ca.key"));
    // Traditional key files: SEC 1 and PKCS#1 instead of PKCS#8.
    for generate in
        [&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"][..], &["genrsa", "-traditional", "-out"]]
    {
        assert!(openssl(generate, &[&key]).status.success());
        let subject = "/C=PT/O=Example/OU=Fleet/CN=Made elsewhere";
        let made = openssl(
            &["req", "-x509", "-days", "10", "-addext", "keyUsage=critical,keyCertSign", "-subj", subject, "-key"],
            &[&key, Path::new("-out"), &certificate],
        );
        assert!(made.status.success(), "{}", text(&made));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

        let authority = Authority::read(at("ca")).unwrap();
        authority.device("dev-1").unwrap().replace(dir.path(), "device").unwrap();
        let verified = verify("sslclient", &certificate, &at("device.pem"));
        assert!(verified.status.success(), "{}", text(&verified));

        authority.replace(dir.path(), "copy").unwrap();
        let copy = openssl(&["pkey", "-noout", "-check", "-in"], &[&at("copy.key")]);
        assert!(copy.status.success(), "{}", text(&copy));
        assert_eq!(fs::read(at("copy.key")).unwrap().len(), fs::read(&key).unwrap().len(), "the same form");
    }
}

#[test]
fn an_authority_whose_name_rcgen_cannot_write_is_refused() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for subject in ["/OU=one/OU=two/CN=Twice", "/O=Example/OU=part+CN=Joined"] {
        let made = openssl(
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-noenc",
                "-subj",
                subject,
                "-keyout",
            ],
            &[&at("ca.key"), Path::new("-out"), &at("ca.pem")],
        );
        assert!(made.status.success(), "{}", text(&made));
        fs::set_permissions(at("ca.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let error = Authority::read(at("ca")).unwrap_err();
        assert!(matches!(&error, LoadError::In { error, .. } if matches!(**error, LoadError::Subject(_))), "{error}");
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let dir = tempdir().unwrap();
    let pair = Authority::root("Root").unwrap().write(dir.path(), "root").unwrap();
    for open in [0o640, 0o604, 0o620] {
        fs::set_permissions(&pair.key, fs::Permissions::from_mode(open)).unwrap();
        let error = Authority::read(dir.path().join("root")).unwrap_err();
        assert!(matches!(error, LoadError::File(FileError::KeyOpenToOthers { mode, .. }) if mode == open));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn files_that_hold_something_else_are_named() {
    let dir = tempdir().unwrap();
    let root = Authority::root("Root").unwrap();
    let pair = root.write(dir.path(), "root").unwrap();
    let stem = dir.path().join("root");
    let reading = || Authority::read(&stem).unwrap_err().to_string();

    fs::write(&pair.key, "no key").unwrap();
    assert!(reading().contains("root.key has no private key"), "{}", reading());
    fs::write(&pair.key, Authority::root("Other").unwrap().key_pem()).unwrap();
    assert!(reading().contains("does not belong to the certificate"), "{}", reading());
    fs::write(&pair.key, root.key_pem()).unwrap();
    fs::write(&pair.certificate, "").unwrap();
    assert!(reading().contains("root.pem has no certificate"), "{}", reading());
    fs::write(&pair.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(reading().contains("root.pem: not an X.509 certificate"), "{}", reading());
    fs::write(&pair.certificate, vec![b'x'; 2 << 20]).unwrap();
    assert!(reading().contains("larger than"), "{}", reading());
    fs::remove_file(&pair.certificate).unwrap();
    assert!(reading().contains("cannot open") && reading().contains("root.pem"), "{}", reading());
}

#[test]
fn a_file_with_unrelated_certificates_is_refused_and_one_that_ends_with_the_root_is_not() {
    let root = Authority::root("Root").unwrap();
    let group = root.intermediate("Group").unwrap();
    let mixed = group.certificate_pem() + &Authority::root("Stranger").unwrap().certificate_pem();
    assert!(matches!(Authority::from_pem(&mixed, &group.key_pem()), Err(LoadError::Order { .. })));
    let full = group.certificate_pem() + &root.certificate_pem();
    let device = Authority::from_pem(&full, &group.key_pem()).unwrap().device("dev-1").unwrap();
    assert_eq!(device.chain.len(), 2, "the root is not sent");
    assert_eq!(common_names(&parse(&device.chain[1])), ["Group"]);
}
