//! What is found again after restarts, cuts and damage.

mod files;
mod outbox;
mod owner;
mod small_disk;
mod telemetry;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use firsthop_protocol::{DeviceId, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::flow::Assignment;
use crate::flow::Known;
use crate::twin;

fn known(hub: &str) -> Known {
    let proven = Assignment {
        hub: hub.to_owned(),
        device_id: DeviceId::parse("gateway-1").unwrap(),
        etag: None,
        substatus: None,
        told: Timestamp::from_secs(1_000),
        asked_with: "digest".to_owned(),
    };
    Known { proven: Some(proven), ..Known::default() }
}

fn message(body: &str) -> Telemetry {
    Telemetry { properties: "site=lisbon".to_owned(), body: body.into(), at: Timestamp::from_secs(1_000) }
}

fn start(folder: &Path) -> (Disk, Recovered) {
    Disk::start(folder, OutboxLimits::default()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_saved_is_found_again_by_the_next_process() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (disk, found) = start(&path);
    assert_eq!((found.known, found.twin, found.warnings.len()), (Known::default(), twin::Kept::default(), 0));
    let kept: twin::Kept = serde_json::from_value(json!({
        "desired": {"version": 3, "properties": {"interval": 1.0, "far": -7, "list": [1, null, {"a": "é"}]}},
        "unacknowledged": [{"a": null}],
    }))
    .unwrap();
    disk.save_known(known("lisbon:8883")).await.unwrap();
    disk.save_twin(kept.clone()).await.unwrap();
    disk.close().await;
    assert!(matches!(disk.save_known(Known::default()).await, Err(DiskError::Stopped)));
    let (_disk, found) = start(&path);
    assert_eq!((found.known, found.twin, found.warnings.len()), (known("lisbon:8883"), kept, 0));
}

#[tokio::test]
async fn folder_and_files_are_for_their_user_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/state");
    let (disk, _) = start(&path);
    disk.save_known(known("lisbon:8883")).await.unwrap();
    disk.store(message("1")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(names(&path), ["assignment.cbor", "lock", "outbox.redb"]);
    for name in names(&path) {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let error = Disk::start(folder.path(), OutboxLimits::default()).unwrap_err();
    assert!(error.to_string().ends_with("chmod 700"), "{error}");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
    start(folder.path());
}

#[tokio::test]
async fn one_process_has_the_folder_at_a_time() {
    let folder = TempDir::new().unwrap();
    let (first, _) = start(folder.path());
    let error = Disk::start(folder.path(), OutboxLimits::default()).unwrap_err();
    assert!(matches!(error, DiskError::InUse { .. }), "{error}");
    first.close().await;
    start(folder.path());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    fs::write(&path, "").unwrap();
    let error = Disk::start(&path, OutboxLimits::default()).unwrap_err();
    assert!(matches!(error, DiskError::Folder { .. }), "{error}");
}
