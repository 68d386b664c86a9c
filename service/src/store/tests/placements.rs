//! What decisions about registrations do on the hubs of the store.

use super::fixtures::*;
use super::*;
use crate::domain::hub_device::{Standing, Subscription};
use crate::domain::ports::{HubPlacement, HubStore, HubWrite, HubWriteError};

fn filled(store: &RedbStore) {
    place(store, "dev-1", "lisbon", assign("lisbon", "dev-1", full(1))).unwrap();
    let subscription = Subscription { filter: "$iothub/twin/res/#".into(), qos: 1 };
    write(store, "lisbon", "dev-1", HubWrite::Subscriptions(vec![subscription])).unwrap();
}

fn subscribed(store: &RedbStore, hub_name: &str) -> usize {
    store.hub_device(&hub(hub_name), &device_id("dev-1")).unwrap().unwrap().subscriptions.len()
}

#[test]
fn a_first_registration_gives_the_hub_its_copy_in_the_same_commit() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", full(1))).unwrap();
    let device = store.hub_device(&hub("lisbon"), &device_id("dev-1")).unwrap().unwrap();
    assert_eq!(
        (device.identity, device.standing, device.created),
        (identity("dev-1", "dev-1"), Standing::Active, at(1))
    );
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(1)));
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("lisbon")));
    assert_eq!(store.check().unwrap().hub_devices, 1);
}

#[test]
fn a_carried_device_keeps_all_it_has_and_is_on_the_new_hub_only() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    filled(&store);
    place(&store, "dev-1", "berlin", carry("berlin", "dev-1")).unwrap();
    assert_eq!(state(&store, "berlin", "dev-1"), Some(full(1)));
    assert_eq!(subscribed(&store, "berlin"), 1);
    assert_eq!(store.hub_device(&hub("lisbon"), &device_id("dev-1")).unwrap(), None);
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("berlin")));
    let counts = ["lisbon", "berlin"].map(|name| store.hub_device_count(&hub(name)).unwrap());
    assert_eq!(counts, [0, 1]);
    // What the old hub had not written yet comes too late.
    let late = change_twin(&store, "lisbon", "dev-1", 9, 1);
    assert_eq!(late, Err(HubWriteError::NotActive));
}

#[test]
fn a_carried_device_without_a_record_begins_with_the_initial_state() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    place(&store, "dev-1", "external", None).unwrap();
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), None);
    place(&store, "dev-1", "berlin", carry("berlin", "dev-1")).unwrap();
    assert_eq!(state(&store, "berlin", "dev-1"), Some(empty(2)));
}

#[test]
fn a_reset_empties_the_device_and_keeps_the_subscriptions_of_its_connection() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    filled(&store);
    place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", empty(5))).unwrap();
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(empty(5)));
    assert_eq!(subscribed(&store, "lisbon"), 1);
    place(&store, "dev-1", "berlin", assign("berlin", "dev-1", full(2))).unwrap();
    assert_eq!(state(&store, "berlin", "dev-1"), Some(full(2)));
    assert_eq!(subscribed(&store, "berlin"), 0);
}

#[test]
fn numbers_of_messages_are_not_given_twice_after_a_reset() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", empty(1))).unwrap();
    let before = write(&store, "lisbon", "dev-1", HubWrite::Enqueue(message("before"))).unwrap();
    place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", empty(1))).unwrap();
    let after = write(&store, "lisbon", "dev-1", HubWrite::Enqueue(message("after"))).unwrap();
    assert!(after > before);
    // An acknowledgement from before does not touch what came after.
    write(&store, "lisbon", "dev-1", HubWrite::Dequeue(vec![before])).unwrap();
    assert_eq!(store.queue(&hub("lisbon"), &device_id("dev-1"), None, 9).unwrap(), [(after, message("after"))]);
}

#[test]
fn a_device_that_leaves_can_be_told_where_to_until_it_comes_back() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    filled(&store);
    let leave = HubPlacement::Leave { to: Some("far.example:8883".into()), at: at(3) };
    place(&store, "dev-1", "external", leave).unwrap();
    let trace = store.hub_device(&hub("lisbon"), &device_id("dev-1")).unwrap().unwrap();
    assert_eq!(trace.standing, Standing::Moved { to: Some("far.example:8883".into()), at: at(3) });
    assert_eq!(trace.identity.credential, identity("dev-1", "dev-1").credential);
    assert_eq!(state(&store, "lisbon", "dev-1"), None);
    assert_eq!((store.check().unwrap().hub_devices, store.hub_of(&device_id("dev-1")).unwrap()), (0, None));
    place(&store, "dev-1", "lisbon", carry("lisbon", "dev-1")).unwrap();
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Active));
    store.check().unwrap();
}

#[test]
fn traces_are_dropped_after_thirty_days_a_few_with_each_new_one() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    for number in 0..12 {
        let name = format!("dev-{number}");
        place(&store, &name, "lisbon", assign("lisbon", &name, empty(1))).unwrap();
    }
    let leave = |number: u64, day| {
        let name = format!("dev-{number}");
        place(&store, &name, "far", HubPlacement::Leave { to: None, at: at(day) }).unwrap();
    };
    let traces = || (0..12).filter(|number| standing(&store, "lisbon", &format!("dev-{number}")).is_some()).count();
    (0..10).for_each(|number| leave(number, number));
    assert_eq!(traces(), 12);
    leave(10, 35);
    assert_eq!(traces(), 8, "four of the five that are old enough");
    leave(11, 100);
    assert_eq!(traces(), 4);
    store.check().unwrap();
    assert!(store.registration(&id("dev-0")).unwrap().is_some());
}

#[test]
fn a_device_that_a_move_has_fenced_cannot_be_placed_and_nothing_is_written() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    filled(&store);
    write(&store, "lisbon", "dev-1", fence(4)).unwrap();
    let before = store.registration(&id("dev-1")).unwrap();
    let refused = place(&store, "dev-1", "berlin", carry("berlin", "dev-1"));
    assert!(matches!(refused, Err(CommitError::Busy(by)) if by == operation(4)), "{refused:?}");
    assert_eq!(store.registration(&id("dev-1")).unwrap(), before);
    write(&store, "lisbon", "dev-1", release(4)).unwrap();
    place(&store, "dev-1", "berlin", carry("berlin", "dev-1")).unwrap();
    store.check().unwrap();
}

#[test]
fn a_hub_has_a_device_id_once_and_another_hub_may_have_it_too() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let named = |name: &str, hub_name: &str, device: &str| HubPlacement::Assign {
        hub: hub(hub_name),
        identity: identity(name, device),
        state: empty(1),
        at: at(1),
    };
    place(&store, "reg-1", "lisbon", named("reg-1", "lisbon", "Pump")).unwrap();
    for (name, device) in [("reg-2", "Pump"), ("pump", "Pump")] {
        let refused = place(&store, name, "lisbon", named(name, "lisbon", device));
        assert!(matches!(&refused, Err(CommitError::Taken { holder, .. }) if *holder == id("reg-1")), "{refused:?}");
        assert_eq!(store.registration(&id(name)).unwrap(), None);
    }
    // Device ids differ by case, and hubs have their own.
    place(&store, "pump", "lisbon", named("pump", "lisbon", "pump")).unwrap();
    assert_eq!(store.hub_of(&device_id("Pump")).unwrap(), Some(hub("lisbon")));
    place(&store, "reg-2", "berlin", named("reg-2", "berlin", "Pump")).unwrap();
    assert_eq!(store.hub_of(&device_id("Pump")).unwrap(), None, "it could be either");
    let on = |hub_name: &str| store.hub_device(&hub(hub_name), &device_id("Pump")).unwrap().unwrap().identity;
    assert_eq!([on("lisbon"), on("berlin")].map(|identity| identity.registration_id), [id("reg-1"), id("reg-2")]);
    // The trace of one that left makes room.
    place(&store, "reg-1", "far", HubPlacement::Leave { to: None, at: at(2) }).unwrap();
    place(&store, "reg-2", "lisbon", named("reg-2", "lisbon", "Pump")).unwrap();
    assert_eq!(on("lisbon").registration_id, id("reg-2"));
    store.check().unwrap();
}

#[test]
fn certificates_are_stored_once_for_all_devices() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    for number in 0..5 {
        let name = format!("dev-{number}");
        place(&store, &name, "lisbon", assign("lisbon", &name, empty(1))).unwrap();
    }
    let rows = store.read(|transaction| {
        Ok(redb::ReadableTableMetadata::len(&transaction.open_table(crate::store::tables::CERTIFICATES)?)?)
    });
    assert_eq!(rows.unwrap(), 2);
}
