//! Operations of the hub port, also repeated and late.

use super::fixtures::*;
use super::*;
use crate::domain::hub_device::{Event, Standing};
use crate::domain::ports::{HubStore, HubWrite, HubWriteError};

/// A store without registrations, as that of a hub on a machine of its own.
fn with_device() -> RedbStore {
    let store = open_on(&Disk::new()).unwrap();
    write(&store, "lisbon", "dev-1", provision("dev-1", 1, full(1))).unwrap();
    store
}

#[test]
fn a_provisioned_device_is_held_until_it_is_released() {
    let store = with_device();
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Held(operation(1))));
    assert_eq!(write(&store, "lisbon", "dev-1", HubWrite::Enqueue(message("x"))), Err(HubWriteError::NotActive));
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), None);
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    write(&store, "lisbon", "dev-1", HubWrite::Enqueue(message("x"))).unwrap();
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("lisbon")));
    assert_eq!(store.registration(&id("dev-1")).unwrap(), None, "the registration is kept elsewhere");
    store.check().unwrap();
}

#[test]
fn nothing_is_acknowledged_to_a_fenced_device_and_its_state_is_what_was() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    write(&store, "lisbon", "dev-1", fence(2)).unwrap();
    for change in [
        HubWrite::Twin { twin: twin(8), expected: 1, revision: 0 },
        HubWrite::Enqueue(message("x")),
        HubWrite::Event(event("x")),
        HubWrite::Dequeue(vec![1, 2, 3]),
        HubWrite::Delivered(vec![1]),
        HubWrite::Subscriptions(Vec::new()),
    ] {
        assert_eq!(write(&store, "lisbon", "dev-1", change), Err(HubWriteError::NotActive));
    }
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(1)));
}

#[test]
fn operations_are_idempotent() {
    let store = with_device();
    let twice = |change: HubWrite| {
        let first = write(&store, "lisbon", "dev-1", change.clone());
        assert!(first.is_ok(), "{change:?}: {first:?}");
        assert_eq!(write(&store, "lisbon", "dev-1", change), first);
    };
    twice(provision("dev-1", 1, empty(7)));
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(1)), "the first copy counts");
    twice(release(1));
    twice(fence(2));
    twice(HubWrite::Identity { operation: operation(2), identity: identity("dev-1", "Dev-1") });
    assert_eq!(standing(&store, "lisbon", "Dev-1"), Some(Standing::Fenced(operation(2))));
    twice(HubWrite::Identity { operation: operation(2), identity: identity("dev-1", "dev-1") });
    twice(remove(2));
    let of_nobody =
        HubWrite::Remove { operation: operation(2), registration: id("nobody"), to: Some("x:1".into()), at: at(4) };
    assert_eq!(write(&store, "lisbon", "nobody", of_nobody), Ok(0), "it is not there, as was asked");
    store.check().unwrap();
}

#[test]
fn what_comes_late_of_an_operation_that_is_over_does_nothing() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    change_twin(&store, "lisbon", "dev-1", 5, 1).unwrap();
    // The copy once more: the device has written since.
    write(&store, "lisbon", "dev-1", provision("dev-1", 1, full(1))).unwrap();
    assert_eq!(store.twin(&hub("lisbon"), &device_id("dev-1")).unwrap(), Some(twin(5)));
    // A move that was undone before its fence arrived must not fence the device for ever.
    write(&store, "lisbon", "dev-1", release(2)).unwrap();
    assert_eq!(write(&store, "lisbon", "dev-1", fence(2)), Err(HubWriteError::Conflict));
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Active));
    write(&store, "lisbon", "dev-1", fence(3)).unwrap();
    write(&store, "lisbon", "dev-1", remove(3)).unwrap();
    assert_eq!(write(&store, "lisbon", "dev-1", provision("dev-1", 3, full(1))), Err(HubWriteError::Conflict));
}

#[test]
fn another_operation_finds_the_device_busy() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    write(&store, "lisbon", "dev-1", fence(2)).unwrap();
    let identify = HubWrite::Identity { operation: operation(3), identity: identity("dev-1", "dev-1") };
    for change in [fence(3), release(3), remove(3), provision("dev-1", 3, empty(1)), identify] {
        assert_eq!(write(&store, "lisbon", "dev-1", change), Err(HubWriteError::Busy(operation(2))));
    }
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Fenced(operation(2))));
}

#[test]
fn a_device_that_was_held_and_never_let_in_gives_way_to_the_next_operation() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", provision("dev-1", 2, empty(2))).unwrap();
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Held(operation(2))));
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(empty(2)));
    store.check().unwrap();
}

#[test]
fn a_move_between_two_hubs_of_one_remote_store_can_be_undone_until_the_device_is_released() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    write(&store, "lisbon", "dev-1", fence(2)).unwrap();
    write(&store, "berlin", "dev-1", provision("dev-1", 2, empty(9))).unwrap();
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(1)), "the old hub keeps its state until the end");
    store.check().unwrap();
    // Undone.
    write(&store, "lisbon", "dev-1", release(2)).unwrap();
    write(&store, "berlin", "dev-1", remove(2)).unwrap();
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("lisbon")));
    // Made.
    write(&store, "lisbon", "dev-1", fence(3)).unwrap();
    write(&store, "berlin", "dev-1", provision("dev-1", 3, full(4))).unwrap();
    write(&store, "berlin", "dev-1", release(3)).unwrap();
    write(&store, "lisbon", "dev-1", remove(3)).unwrap();
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("berlin")));
    assert_eq!(state(&store, "berlin", "dev-1"), Some(full(4)));
    // And back.
    write(&store, "berlin", "dev-1", fence(4)).unwrap();
    write(&store, "lisbon", "dev-1", provision("dev-1", 4, full(5))).unwrap();
    write(&store, "lisbon", "dev-1", release(4)).unwrap();
    write(&store, "berlin", "dev-1", remove(4)).unwrap();
    assert_eq!(store.hub_of(&device_id("dev-1")).unwrap(), Some(hub("lisbon")));
    assert_eq!(store.check().unwrap().hub_devices, 1);
}

#[test]
fn a_twin_changes_only_from_the_version_it_was_read_at() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    let change = |version, expected| change_twin(&store, "lisbon", "dev-1", version, expected);
    change(2, 1).unwrap();
    assert_eq!(change(3, 1), Err(HubWriteError::Conflict));
    let read = store.hub_device(&hub("lisbon"), &device_id("dev-1")).unwrap().unwrap();
    change(3, 2).unwrap();
    assert_eq!(store.twin(&hub("lisbon"), &device_id("dev-1")).unwrap(), Some(twin(3)));
    // A reset gives the twin a version that it had before; who read the device before it is told by the record's revision.
    write(&store, "lisbon", "dev-1", provision("dev-1", 2, full(2))).unwrap();
    write(&store, "lisbon", "dev-1", release(2)).unwrap();
    let late = HubWrite::Twin { twin: twin(3), expected: 2, revision: read.revision };
    assert_eq!(write(&store, "lisbon", "dev-1", late), Err(HubWriteError::Conflict));
    change(3, 2).unwrap();
}

#[test]
fn a_queue_has_its_limits_and_an_event_storage_keeps_the_newest() {
    let store = open_on(&Disk::new()).unwrap();
    write(&store, "lisbon", "dev-1", provision("dev-1", 1, empty(1))).unwrap();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    let enqueue = |text: &str| write(&store, "lisbon", "dev-1", HubWrite::Enqueue(message(text)));
    let first = enqueue("one").unwrap();
    enqueue("two").unwrap();
    assert_eq!(enqueue("far too long"), Err(HubWriteError::QueueFull), "by its size");
    enqueue("three").unwrap();
    assert_eq!(enqueue(""), Err(HubWriteError::QueueFull), "by their number");
    write(&store, "lisbon", "dev-1", HubWrite::Dequeue(vec![first, first, 0])).unwrap();
    enqueue("four").unwrap();

    let keep = |text: &str| write(&store, "lisbon", "dev-1", HubWrite::Event(event(text)));
    let kept = |after| -> Vec<Event> {
        let events = store.events(&hub("lisbon"), &device_id("dev-1"), after, 9).unwrap();
        events.into_iter().map(|(_, event)| event).collect()
    };
    let one = keep("one").unwrap();
    assert!(keep("two").unwrap() > one);
    let three = keep("three").unwrap();
    assert_eq!(kept(None), [event("two"), event("three")]);
    assert_eq!(kept(Some(three)), []);
    assert_eq!(keep(&"x".repeat(28)), Ok(0), "larger than the storage");
    keep(&"x".repeat(20)).unwrap();
    assert_eq!(kept(None), [event(&"x".repeat(20))]);
    store.check().unwrap();
}

#[test]
fn a_copy_that_is_taken_back_leaves_a_device_alone_that_has_its_name() {
    let store = open_on(&Disk::new()).unwrap();
    let named = |name: &str, by| HubWrite::Provision {
        operation: operation(by),
        identity: identity(name, "Pump"),
        state: full(1).into(),
        at: at(1),
    };
    write(&store, "lisbon", "Pump", named("reg-1", 1)).unwrap();
    let let_in = HubWrite::Release { operation: operation(1), registration: id("reg-1") };
    write(&store, "lisbon", "Pump", let_in).unwrap();
    assert_eq!(write(&store, "lisbon", "Pump", named("reg-2", 2)), Err(HubWriteError::Taken(id("reg-1"))));
    // The move is undone.
    let take_back = |registration: &str, by| HubWrite::Remove {
        operation: operation(by),
        registration: id(registration),
        to: None,
        at: at(2),
    };
    write(&store, "lisbon", "Pump", take_back("reg-2", 2)).unwrap();
    assert_eq!(standing(&store, "lisbon", "Pump"), Some(Standing::Active));
    assert_eq!(state(&store, "lisbon", "Pump"), Some(full(1)));
    // Nor is it forgotten where a device went.
    let of_reg_1 = |write: HubWrite| match write {
        HubWrite::Fence { operation, .. } => HubWrite::Fence { operation, registration: id("reg-1") },
        HubWrite::Remove { operation, to, at, .. } => HubWrite::Remove { operation, registration: id("reg-1"), to, at },
        other => other,
    };
    write(&store, "lisbon", "Pump", of_reg_1(fence(3))).unwrap();
    write(&store, "lisbon", "Pump", of_reg_1(remove(3))).unwrap();
    let trace = standing(&store, "lisbon", "Pump");
    write(&store, "lisbon", "Pump", take_back("reg-1", 4)).unwrap();
    assert_eq!(standing(&store, "lisbon", "Pump"), trace);
    write(&store, "lisbon", "Pump", named("reg-2", 5)).unwrap();
    write(&store, "lisbon", "Pump", take_back("reg-2", 5)).unwrap();
    assert_eq!(standing(&store, "lisbon", "Pump"), Some(Standing::Moved { to: None, at: at(2) }));
    store.check().unwrap();
}

#[test]
fn a_step_is_for_the_registration_and_not_for_who_has_its_name_now() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    // The name goes over to another registration.
    let renamed = HubWrite::Identity { operation: operation(2), identity: identity("dev-1", "Dev-1-old") };
    write(&store, "lisbon", "Dev-1-old", renamed).unwrap();
    let other = HubWrite::Provision {
        operation: operation(3),
        identity: identity("reg-2", "dev-1"),
        state: full(7).into(),
        at: at(1),
    };
    write(&store, "lisbon", "dev-1", other).unwrap();
    let let_in = HubWrite::Release { operation: operation(3), registration: id("reg-2") };
    write(&store, "lisbon", "dev-1", let_in).unwrap();

    write(&store, "lisbon", "dev-1", fence(4)).unwrap();
    assert_eq!(standing(&store, "lisbon", "Dev-1-old"), Some(Standing::Fenced(operation(4))));
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Active));
    write(&store, "lisbon", "dev-1", remove(4)).unwrap();
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(7)));
    store.check().unwrap();
}

#[test]
fn a_removal_that_comes_late_leaves_a_device_alone_that_came_back() {
    let store = with_device();
    write(&store, "lisbon", "dev-1", release(1)).unwrap();
    write(&store, "lisbon", "dev-1", fence(2)).unwrap();
    write(&store, "lisbon", "dev-1", remove(2)).unwrap();
    write(&store, "lisbon", "dev-1", provision("dev-1", 3, full(5))).unwrap();
    write(&store, "lisbon", "dev-1", release(3)).unwrap();
    write(&store, "lisbon", "dev-1", remove(2)).unwrap();
    assert_eq!(standing(&store, "lisbon", "dev-1"), Some(Standing::Active));
    assert_eq!(state(&store, "lisbon", "dev-1"), Some(full(5)));
}
