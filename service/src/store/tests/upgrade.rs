//! Stores of format 1.

use redb::{Database, TableDefinition};
use serde_json::Value;

use super::disk::Trouble;
use super::faults::random;
use super::fixtures::*;
use super::rows::{golden, golden_registration};
use super::*;
use crate::domain::ports::HubStore;

/// A file as version 1 writes it, made with redb alone: table names, types and keys are part of the format.
fn write_version_1(database: &Database) {
    let transaction = database.begin_write().unwrap();
    {
        let table = |name| TableDefinition::<&str, u64>::new(name);
        transaction.open_table(table("registration_numbers")).unwrap().insert("d-1", 1).unwrap();
        let mut meta = transaction.open_table(table("meta")).unwrap();
        for (key, value) in [("format_version", 1), ("next_number", 2), ("revision", 0x0102)] {
            meta.insert(key, value).unwrap();
        }
        let table = |name| TableDefinition::<u64, &[u8]>::new(name);
        transaction.open_table(table("registrations")).unwrap().insert(1, &*golden()).unwrap();
        let document = b"\x01\xa4hmetadata\xa1fserial\x07iendpoints\xa0emodel\xf6gupdated\x05";
        transaction.open_table(table("devices")).unwrap().insert(1, &document[..]).unwrap();
        let table = |name| TableDefinition::<(u32, u64), ()>::new(name);
        transaction.open_table(table("registrations_by_enrollment")).unwrap().insert((3, 1), ()).unwrap();
        transaction.open_table(table("registrations_by_hub")).unwrap().insert((5, 1), ()).unwrap();
        transaction.open_table(table("registrations_by_state")).unwrap().insert((1, 1), ()).unwrap();
        let table = |name| TableDefinition::<u32, &str>::new(name);
        transaction.open_table(table("enrollment_names")).unwrap().insert(3, "group:line-7").unwrap();
        transaction.open_table(table("hub_names")).unwrap().insert(5, "lisbon").unwrap();
        let mut counts = transaction.open_table(TableDefinition::<(u8, u32), u64>::new("registration_counts")).unwrap();
        for key in [(0, 0), (1, 3), (2, 5), (3, 1)] {
            counts.insert(key, 1).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// All of it is there, and it takes new registrations, devices on hubs and moves.
fn assert_upgraded(store: &RedbStore) {
    assert_eq!(store.registration(&id("d-1")).unwrap(), Some(golden_registration()));
    let device = store.device(&id("d-1")).unwrap().unwrap();
    assert_eq!((Value::Object(device.metadata), device.updated), (json!({"serial": 7}), Timestamp::from_micros(5)));
    assert_eq!(store.hub_of(&device_id("D1")).unwrap(), None);
    assert!(store.transfers(None, 9).unwrap().is_empty() && store.hub_settings().unwrap().is_empty());
    store.check().unwrap();
}

fn assert_usable(store: &RedbStore) {
    assert_eq!(commit(store, decision(registration("d-2", 1), None)).unwrap(), ETag::new(0x0103));
    place(store, "d-1", "lisbon", assign("lisbon", "d-1", full(1))).unwrap();
    assert_eq!(state(store, "lisbon", "d-1"), Some(full(1)));
    assert_eq!(store.check().unwrap().registrations, 2);
}

#[test]
fn a_store_written_by_version_1_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v1.redb");
    let database = Database::create(&path).unwrap();
    write_version_1(&database);
    drop(database);
    let store = RedbStore::open(&path, &small()).unwrap();
    assert_upgraded(&store);
    assert_usable(&store);
    drop(store);
    assert_eq!(RedbStore::open(&path, &small()).unwrap().check().unwrap().hub_devices, 1);
}

#[test]
fn a_power_cut_at_any_operation_of_the_upgrade_leaves_a_store_that_opens() {
    let base = Disk::made(write_version_1);
    for at in 0.. {
        let disk = base.copy();
        disk.trouble(Trouble::Fail(at..u64::MAX));
        let opened = open_on(&disk).is_ok();
        for seed in 0..3 {
            let store = open_on(&disk.after_power_cut(random(at << 8 | seed)))
                .unwrap_or_else(|error| panic!("cut at {at}, seed {seed}: {error}"));
            assert_upgraded(&store);
            assert_usable(&store);
        }
        if opened {
            assert!(at > 5, "only {at} operations");
            return;
        }
    }
}
