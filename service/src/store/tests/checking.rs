//! What the check finds in a store in which a row was changed behind its back.

use redb::WriteTransaction;

use super::fixtures::*;
use super::journal::{put, transfer};
use super::*;
use crate::domain::ports::{HubPlacement, StoreError};
use crate::domain::transfer::Step;
use crate::store::{format, open, row, tables};

/// Two devices, of which the first has a name of its own, a trace of a third, and a move.
fn furnished() -> Arc<Disk> {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let named =
        HubPlacement::Assign { hub: hub("lisbon"), identity: identity("dev-1", "Pump"), state: full(1), at: at(1) };
    place(&store, "dev-1", "lisbon", named).unwrap();
    place(&store, "dev-2", "lisbon", assign("lisbon", "dev-2", empty(1))).unwrap();
    place(&store, "dev-3", "lisbon", assign("lisbon", "dev-3", full(1))).unwrap();
    place(&store, "dev-3", "far", HubPlacement::Leave { to: None, at: at(2) }).unwrap();
    block_on(store.journal(put(transfer("dev-2", 1, Step::Planned)))).unwrap();
    store.check().unwrap();
    block_on(store.close());
    disk
}

fn tamper(disk: &Arc<Disk>, change: impl Fn(&WriteTransaction)) {
    let database = open::Source::open(&DiskSource(disk.clone())).unwrap();
    let transaction = format::begin_durable(&database).unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn the_check_finds_what_is_wrong_with_devices_on_hubs() {
    type Change = fn(&WriteTransaction);
    let changes: Vec<(&str, Change)> = vec![
        ("not indexed by its hub", |transaction| {
            transaction.open_table(tables::DEVICES_BY_HUB).unwrap().remove((1, 1)).unwrap();
        }),
        ("table hub_devices_by_hub: 3 entries", |transaction| {
            transaction.open_table(tables::DEVICES_BY_HUB).unwrap().insert((2, 1), ()).unwrap();
        }),
        ("an alias of it is missing", |transaction| {
            transaction.open_table(tables::ALIASES).unwrap().remove(("Pump", 1)).unwrap();
        }),
        ("it has no twin", |transaction| drop(transaction.open_table(tables::TWINS).unwrap().remove(1).unwrap())),
        ("not among the traces", |transaction| {
            transaction.open_table(tables::TRACES).unwrap().remove((at(2).micros(), 3)).unwrap();
        }),
        ("table message_totals", |transaction| {
            transaction.open_table(tables::MESSAGE_TOTALS).unwrap().insert((1, tables::TOTAL_EVENTS), (1, 1)).unwrap();
        }),
        ("it left, and has messages", |transaction| {
            let row = row::encode_message(&message("x")).unwrap();
            transaction.open_table(tables::COMMANDS).unwrap().insert((3, 1), &*row).unwrap();
        }),
        ("table certificates", |transaction| {
            let mut certificates = transaction.open_table(tables::CERTIFICATES).unwrap();
            certificates.insert(&authority("primary").thumbprint.0, &b"another"[..]).unwrap();
        }),
        ("the certificate is missing", |transaction| {
            let mut certificates = transaction.open_table(tables::CERTIFICATES).unwrap();
            certificates.remove(&authority("primary").thumbprint.0).unwrap();
        }),
        ("table registration_counts", |transaction| {
            let mut counts = transaction.open_table(tables::COUNTS).unwrap();
            counts.insert((tables::COUNT_HUB_DEVICES, 1), 9).unwrap();
        }),
        ("table transfers, key dev-2: row version 9", |transaction| {
            transaction.open_table(tables::TRANSFERS).unwrap().insert("dev-2", &[9][..]).unwrap();
        }),
        ("table registration_numbers, key ghost", |transaction| {
            transaction.open_table(tables::IDS).unwrap().insert("ghost", 2).unwrap();
        }),
    ];
    let furnished = furnished();
    for (what, change) in changes {
        let disk = furnished.copy();
        tamper(&disk, change);
        match open_on(&disk).unwrap().check() {
            Err(StoreError::Damaged(reason)) => assert!(reason.contains(what), "{what}: {reason}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_trace_that_leads_nowhere_does_not_keep_other_devices_from_leaving() {
    let disk = furnished();
    tamper(&disk, |transaction| {
        transaction.open_table(tables::TRACES).unwrap().insert((7, 77), ()).unwrap();
    });
    let store = open_on(&disk).unwrap();
    place(&store, "dev-2", "far", HubPlacement::Leave { to: None, at: at(3) }).unwrap();
    store.check().unwrap();
}

#[test]
fn a_damaged_device_concerns_its_own_changes_alone() {
    let disk = furnished();
    tamper(&disk, |transaction| {
        transaction.open_table(tables::HUB_DEVICES).unwrap().insert(2, &[9, 1, 2][..]).unwrap();
    });
    let store = open_on(&disk).unwrap();
    let StoreError::Damaged(reason) = place_error(&store, "dev-2") else { panic!("not damaged") };
    assert!(reason.contains("table hub_devices, key 2") && reason.contains("version 9"), "{reason}");
    place(&store, "dev-1", "berlin", HubPlacement::Leave { to: None, at: at(3) }).unwrap();
}

fn place_error(store: &RedbStore, name: &str) -> StoreError {
    match place(store, name, "berlin", carry("berlin", name)) {
        Err(CommitError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}
