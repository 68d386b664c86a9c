//! Credentials in files that are replaced while a device runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use firsthop_agent::SetupError;
use firsthop_agent::keys::CredentialsSource;
use firsthop_agent::keys::{self, PemFiles};

use crate::pki::{AUTHORITY, DEVICE, Identity, write_private};

/// Writes a file as careful programs do: whole, under another name, then renamed.
fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("tmp");
    write_private(&fresh, text);
    fs::rename(fresh, path).unwrap();
}

fn put_pair(folder: &Path, identity: &Identity) {
    put(&folder.join("device.pem"), &identity.chain_pem);
    put(&folder.join("device.key"), &identity.key_pem);
}

fn files(folder: &Path) -> PemFiles {
    PemFiles::new(folder.join("device.pem"), folder.join("device.key"))
}

fn id(source: &dyn CredentialsSource) -> String {
    source.load().unwrap().registration_id().unwrap().to_string()
}

#[test]
fn files_count_as_changed_until_they_were_read_and_when_they_were_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let source = files(folder.path());
    assert!(source.changed());
    put_pair(folder.path(), &DEVICE);
    assert!(source.changed());
    assert_eq!(id(&source), "dev-1");
    assert!(!source.changed());
    put_pair(folder.path(), &AUTHORITY.issue("Dev-2", &[]));
    assert!(source.changed());
    assert_eq!(id(&source), "dev-2");
    assert!(!source.changed());
}

#[test]
fn a_new_certificate_with_the_old_key_is_refused_and_read_again_once_the_key_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let source = files(folder.path());
    put_pair(folder.path(), &DEVICE);
    source.load().unwrap();
    let renewed = AUTHORITY.issue("Dev-1", &[]);
    put(&folder.path().join("device.pem"), &renewed.chain_pem);
    assert!(source.changed());
    let error = source.load().unwrap_err();
    assert!(
        matches!(&error, SetupError::Credentials { message, .. } if message.contains("does not belong")),
        "{error}"
    );
    // Nothing has changed since, and yet the pair that is there was never read.
    assert!(source.changed());
    put(&folder.path().join("device.key"), &renewed.key_pem);
    source.load().unwrap();
    assert!(!source.changed());
}

#[test]
fn a_folder_that_is_swapped_behind_a_symbolic_link_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, identity) in [("first", &*DEVICE), ("second", &AUTHORITY.issue("Dev-2", &[]))] {
        fs::create_dir(at(name)).unwrap();
        put_pair(&at(name), identity);
    }
    symlink("first", at("live")).unwrap();
    let source = files(&at("live"));
    assert_eq!(id(&source), "dev-1");
    assert!(!source.changed());
    symlink("second", at("next")).unwrap();
    fs::rename(at("next"), at("live")).unwrap();
    assert!(source.changed());
    assert_eq!(id(&source), "dev-2");
}

#[test]
fn files_that_are_gone_or_open_to_others_are_an_error_until_they_are_right_again() {
    let folder = tempfile::tempdir().unwrap();
    let source = files(folder.path());
    put_pair(folder.path(), &DEVICE);
    source.load().unwrap();
    let key = folder.path().join("device.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert!(source.changed());
    assert!(matches!(source.load(), Err(SetupError::KeyReadableByOthers { .. })));
    fs::remove_file(&key).unwrap();
    assert!(source.changed());
    assert!(matches!(source.load(), Err(SetupError::Unreadable { .. })));
    put_pair(folder.path(), &DEVICE);
    source.load().unwrap();
    assert!(!source.changed());
}

#[test]
fn paths_of_a_configuration_are_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    put_pair(folder.path(), &DEVICE);
    let relative = keys::source(folder.path(), Path::new("device.pem"), "device.key").unwrap();
    assert_eq!(id(&*relative), "dev-1");
    let absolute = folder.path().join("device.key");
    let absolute = keys::source(folder.path(), Path::new("device.pem"), absolute.to_str().unwrap()).unwrap();
    assert_eq!(id(&*absolute), "dev-1");
}

#[test]
fn credentials_tell_the_dates_of_their_chain() {
    let dated = AUTHORITY.issue_dated("Dev-1", &[], 2027..2028);
    let validity = dated.credentials().validity().unwrap();
    assert_eq!(validity.not_before.to_string(), "2027-01-01T00:00:00.0000000Z");
    assert_eq!(validity.not_after.to_string(), "2028-01-01T00:00:00.0000000Z");
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn without_the_feature_a_key_in_a_token_is_refused_by_name() {
    let error = keys::source(Path::new("/"), Path::new("device.pem"), "pkcs11:token=gateway").unwrap_err();
    assert!(error.to_string().contains("feature `pkcs11`"), "{error}");
}
