//! What is on the disk in the end is the newest, whatever failed before.

use std::path::Path;

use firsthop_protocol::{DeviceId, Timestamp};

use super::*;
use crate::disk::OutboxLimits;
use crate::flow::Assignment;

fn known(hub: &str) -> Known {
    let candidate = Assignment {
        hub: hub.to_owned(),
        device_id: DeviceId::parse("dev-1").unwrap(),
        etag: None,
        substatus: None,
        told: Timestamp::from_secs(1),
        asked_with: "v1".into(),
    };
    Known { candidate: Some(candidate), ..Known::default() }
}

fn disk(folder: &Path) -> (Disk, Known) {
    let (disk, recovered) = Disk::start(folder, OutboxLimits::default()).unwrap();
    (disk, recovered.known)
}

#[tokio::test]
async fn a_save_that_is_tried_again_does_not_take_the_place_of_a_newer_one() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, away) = (scratch.path().join("state"), scratch.path().join("away"));
    let mut keeping = Keeping::new(disk(&folder).0);
    std::fs::rename(&folder, &away).unwrap();
    keeping.save(known("a:1")).await;
    std::fs::rename(&away, &folder).unwrap();

    // Begun, and not driven on before there is something newer to save.
    keeping.start(&Twin::default(), Instant::now() + AGAIN);
    assert!(keeping.job.is_some());
    keeping.save(known("b:1")).await;
    assert_eq!(keeping.wake(), None, "nothing is left to save");
    let disk_handle = keeping.disk.clone();
    keeping.finish(&Twin::default()).await;
    disk_handle.close().await;
    assert_eq!(disk(&folder).1, known("b:1"));
}

#[tokio::test]
async fn who_waits_for_a_twin_that_was_dropped_meanwhile_is_answered() {
    let scratch = tempfile::tempdir().unwrap();
    let mut keeping = Keeping::new(disk(&scratch.path().join("state")).0);
    let (done, mut answer) = oneshot::channel();
    keeping.kept_then(done);
    keeping.start(&Twin::default(), Instant::now());
    keeping.save_twin(&Twin::default()).await;
    assert!(matches!(answer.try_recv(), Ok(Ok(()))));
    assert_eq!((keeping.wake(), keeping.job.is_some()), (None, false));
}
