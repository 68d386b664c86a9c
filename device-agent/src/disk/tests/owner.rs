//! A folder whose device is another one now.

use firsthop_protocol::RegistrationId;

use super::*;

fn start_for(folder: &Path, device: &str) -> (Disk, Recovered) {
    Disk::start_for(folder, OutboxLimits::default(), Some(&RegistrationId::parse(device).unwrap())).unwrap()
}

#[tokio::test]
async fn what_was_kept_for_another_device_is_set_aside_and_told() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start_for(folder.path(), "gateway-1");
    disk.save_known(known("lisbon:8883")).await.unwrap();
    disk.save_twin(twin::Kept {
        unacknowledged: [json!({"a": 1}).as_object().cloned().unwrap()].into(),
        desired: None,
    })
    .await
    .unwrap();
    disk.store(message("1")).await.unwrap();
    disk.close().await;

    let (disk, found) = start_for(folder.path(), "gateway-2");
    assert_eq!((found.known, found.twin), (Known::default(), twin::Kept::default()));
    assert_eq!(disk.load(None, 10, usize::MAX).await.unwrap(), []);
    let [warning] = &found.warnings[..] else { panic!("{:?}", found.warnings) };
    assert!(warning.contains("gateway-1") && warning.contains("gateway-2"), "{warning}");
    let aside = names(folder.path()).into_iter().filter(|name| name.ends_with(".other-device"));
    assert_eq!(
        aside.collect::<Vec<_>>(),
        ["assignment.cbor", "outbox.redb", "twin.cbor"].map(|it| format!("{it}.other-device"))
    );
    disk.close().await;
    assert_eq!(start_for(folder.path(), "gateway-2").1.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_does_not_say_whose_it_is_becomes_the_devices() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    disk.save_known(known("lisbon:8883")).await.unwrap();
    disk.close().await;
    let (disk, found) = start_for(folder.path(), "gateway-1");
    assert_eq!((found.known, found.warnings.len()), (known("lisbon:8883"), 0));
    disk.close().await;
    assert_eq!(start_for(folder.path(), "gateway-2").1.known, Known::default());
}
