//! The outbox as a device uses it: through the thread.

use super::*;

fn bodies(loaded: &[(Sequence, Telemetry)]) -> Vec<&str> {
    loaded.iter().map(|(_, message)| str::from_utf8(&message.body).unwrap()).collect()
}

async fn all(disk: &Disk) -> Vec<(Sequence, Telemetry)> {
    disk.load(None, 1000, 1 << 20).await.unwrap()
}

#[tokio::test]
async fn telemetry_is_loaded_in_its_order_until_it_is_removed_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    assert!(all(&disk).await.is_empty());
    assert_eq!(names(folder.path()), ["lock"], "no file without a message");
    for body in ["1", "2", "3", "4"] {
        disk.store(message(body)).await.unwrap();
    }
    let loaded = disk.load(None, 2, 1 << 20).await.unwrap();
    assert_eq!(loaded[0].1, message("1"));
    assert_eq!(bodies(&loaded), ["1", "2"]);
    let behind = disk.load(Some(loaded[1].0), 9, 1).await.unwrap();
    assert_eq!(bodies(&behind), ["3"], "one at least, though it is larger than asked for");
    disk.remove(vec![loaded[1].0]);
    assert_eq!(bodies(&all(&disk).await), ["1", "3", "4"]);
    disk.drop_refused(loaded[0].0);
    disk.close().await;
    let (disk, found) = start(folder.path());
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    assert_eq!(bodies(&all(&disk).await), ["3", "4"]);
    assert_eq!(disk.outbox(), OutboxState { waiting: 2, bytes: 24, dropped: 1 });
}

#[tokio::test]
async fn a_sequence_number_is_never_given_twice() {
    let folder = TempDir::new().unwrap();
    let mut last = Sequence(0);
    for _ in 0..3 {
        let (disk, _) = start(folder.path());
        for _ in 0..3 {
            let sequence = disk.store(message("x")).await.unwrap();
            assert!(sequence > last);
            last = sequence;
            disk.remove(vec![sequence]);
        }
        disk.close().await;
    }
    let (disk, _) = start(folder.path());
    assert!(all(&disk).await.is_empty());
    assert_eq!(disk.outbox(), OutboxState::default());
}

#[tokio::test]
async fn the_oldest_make_room_and_are_counted() {
    let folder = TempDir::new().unwrap();
    let limits = OutboxLimits { messages: 3, bytes: 1000, when_full: WhenFull::DropOldest };
    let (disk, _) = Disk::start(folder.path(), limits).unwrap();
    for body in ["1", "2", "3", "4", "5"] {
        disk.store(message(body)).await.unwrap();
    }
    assert_eq!(bodies(&all(&disk).await), ["3", "4", "5"]);
    assert_eq!(disk.outbox(), OutboxState { waiting: 3, bytes: 36, dropped: 2 });
    let large = "x".repeat(970);
    disk.store(message(&large)).await.unwrap();
    assert_eq!(bodies(&all(&disk).await), ["5", &large]);
    assert_eq!(disk.outbox().dropped, 4);
    let error = disk.store(message(&"x".repeat(990))).await.unwrap_err();
    assert!(matches!(error, DiskError::TooLarge { len: 1001, limit: 1000 }), "{error}");
    assert_eq!(disk.outbox().waiting, 2, "what can never find room drops nothing");
}

#[tokio::test]
async fn a_full_outbox_refuses_where_it_is_told_to_until_there_is_room() {
    let folder = TempDir::new().unwrap();
    let limits = OutboxLimits { messages: 2, bytes: 1000, when_full: WhenFull::Refuse };
    let (disk, _) = Disk::start(folder.path(), limits).unwrap();
    let first = disk.store(message("1")).await.unwrap();
    disk.store(message("2")).await.unwrap();
    let error = disk.store(message("3")).await.unwrap_err();
    assert!(matches!(error, DiskError::OutboxFull { messages: 2, bytes: 24 }), "{error}");
    disk.remove(vec![first]);
    disk.store(message("3")).await.unwrap();
    disk.set_limits(OutboxLimits { messages: 3, ..limits });
    disk.store(message("4")).await.unwrap();
    assert_eq!(bodies(&all(&disk).await), ["2", "3", "4"]);
}

#[tokio::test]
async fn a_message_that_no_hub_takes_is_refused() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    let largest = Telemetry { body: vec![7; Telemetry::MAX_BODY], ..message("") };
    disk.store(largest.clone()).await.unwrap();
    assert_eq!(all(&disk).await[0].1, largest);
    let error = disk.store(Telemetry { body: vec![7; Telemetry::MAX_BODY + 1], ..message("") }).await.unwrap_err();
    assert!(matches!(error, DiskError::TooLarge { .. }), "{error}");
    let error = disk.store(Telemetry { properties: "x".repeat(8193), ..message("") }).await.unwrap_err();
    assert!(matches!(error, DiskError::TooLarge { len: 8193, limit: 8192 }), "{error}");
}

#[tokio::test]
async fn what_comes_at_once_is_all_there() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    let stores: Vec<_> = (0..500)
        .map(|number| {
            let disk = disk.clone();
            tokio::spawn(async move { disk.store(message(&number.to_string().repeat(3000))).await.unwrap() })
        })
        .collect();
    let mut given = Vec::new();
    for store in stores {
        given.push(store.await.unwrap());
    }
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 500);
    assert_eq!(disk.outbox().waiting, 500);
}

#[tokio::test]
async fn what_was_told_is_on_the_disk_when_the_last_handle_is_gone() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    let sequence = disk.store(message("1")).await.unwrap();
    disk.remove(vec![sequence]);
    drop(disk);
    // The thread lets go of the folder as its last act.
    let (disk, _) = loop {
        match Disk::start(folder.path(), OutboxLimits::default()) {
            Err(DiskError::InUse { .. }) => tokio::task::yield_now().await,
            started => break started.unwrap(),
        }
    };
    assert_eq!(disk.outbox().waiting, 0);
}

#[tokio::test]
async fn what_is_removed_is_taken_out_of_the_file_without_anything_else_to_do() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    let sequence = disk.store(message("1")).await.unwrap();
    disk.remove(vec![sequence]);
    while disk.outbox().waiting > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn damaged_messages_do_not_hide_those_behind_them() {
    let folder = TempDir::new().unwrap();
    let (disk, _) = start(folder.path());
    for body in ["1", "2", "3"] {
        disk.store(message(body)).await.unwrap();
    }
    disk.close().await;
    let database = redb::Database::open(folder.path().join("outbox.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(redb::TableDefinition::<u64, &[u8]>::new("messages")).unwrap();
    for sequence in [1, 2] {
        table.insert(sequence, &b"?"[..]).unwrap();
    }
    drop(table);
    transaction.commit().unwrap();
    drop(database);

    let (disk, _) = start(folder.path());
    // As many as are asked for are damaged.
    assert_eq!(disk.load(None, 2, 1 << 20).await.unwrap(), [(Sequence(3), message("3"))]);
}
