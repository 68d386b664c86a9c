//! The journal of moves.

use super::fixtures::*;
use super::*;
use crate::domain::ports::{JournalWrite, StoreError};
use crate::domain::transfer::{Step, Transfer, TransferData};

pub fn transfer(name: &str, by: u8, step: Step) -> Transfer {
    Transfer {
        id: operation(by),
        registration_id: id(name),
        from: Some(hub("lisbon")),
        to: hub("berlin"),
        data: TransferData::Carry,
        identity: identity(name, name),
        registration: Registration {
            payload: Some(json!({"colour": "green"})),
            told: 5,
            state: assigned_to("berlin"),
            ..registration(name, 2)
        },
        expected: Some(ETag::new(7)),
        step,
        started: at(1),
    }
}

pub fn put(transfer: Transfer) -> JournalWrite {
    JournalWrite::Put(Box::new(transfer))
}

fn journal(store: &RedbStore, write: JournalWrite) -> Result<(), CommitError> {
    block_on(store.journal(write))
}

#[test]
fn a_move_reads_back_at_each_step_and_after_a_restart() {
    let disk = Disk::new();
    let mut store = open_on(&disk).unwrap();
    let mut first = transfer("dev-1", 1, Step::Planned);
    (first.from, first.expected, first.data) = (None, None, TransferData::Replace(Box::new(full(3))));
    let own = Transfer {
        registration: Registration {
            enrollment: EnrollmentName::Individual(id("dev-1")),
            ..first.registration.clone()
        },
        ..first
    };
    for step in Step::ALL {
        let expected = Transfer { step, ..own.clone() };
        journal(&store, put(expected.clone())).unwrap();
        drop(store);
        store = open_on(&disk).unwrap();
        assert_eq!(store.transfer(&id("dev-1")).unwrap(), Some(expected));
        assert_eq!(store.check().unwrap().transfers, 1);
    }
    journal(&store, JournalWrite::Delete(id("dev-1"))).unwrap();
    journal(&store, JournalWrite::Delete(id("dev-1"))).unwrap();
    assert_eq!(store.transfer(&id("dev-1")).unwrap(), None);
}

#[test]
fn moves_are_listed_in_the_order_of_their_ids() {
    let store = open_on(&Disk::new()).unwrap();
    for name in ["c", "a", "b"] {
        journal(&store, put(transfer(name, 1, Step::Planned))).unwrap();
    }
    let names = |after: Option<&RegistrationId>, limit| -> Vec<String> {
        let moves = store.transfers(after, limit).unwrap();
        moves.into_iter().map(|one| one.registration_id.to_string()).collect()
    };
    assert_eq!(names(None, 9), ["a", "b", "c"]);
    assert_eq!(names(Some(&id("a")), 1), ["b"]);
    assert_eq!(names(Some(&id("c")), 9), Vec::<String>::new());
}

#[test]
fn a_device_has_one_move_under_way() {
    let store = open_on(&Disk::new()).unwrap();
    let etag = place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", full(1))).unwrap();
    journal(&store, put(transfer("dev-1", 1, Step::Planned))).unwrap();
    let another = journal(&store, put(transfer("dev-1", 2, Step::Planned)));
    assert!(matches!(another, Err(CommitError::Conflict { current }) if current == Some(etag)), "{another:?}");
    assert_eq!(store.transfer(&id("dev-1")).unwrap().unwrap().id, operation(1));
}

#[test]
fn a_decision_and_its_step_in_the_journal_are_one() {
    let store = open_on(&Disk::new()).unwrap();
    let etag = place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", full(1))).unwrap();
    journal(&store, put(transfer("dev-1", 1, Step::Copied))).unwrap();
    let moved = Registration { state: assigned_to("berlin"), ..registration("dev-1", 2) };
    let decide = |by, expected| {
        let journal = Some(put(transfer("dev-1", by, Step::Committed)));
        commit(&store, Decision { journal, ..decision(moved.clone(), Some(expected)) })
    };
    // Neither the journal of another move nor an old etag writes half of it.
    decide(2, etag).unwrap_err();
    decide(1, ETag::new(99)).unwrap_err();
    assert_eq!(store.registration(&id("dev-1")).unwrap().unwrap().etag, etag);
    assert_eq!(store.transfer(&id("dev-1")).unwrap().unwrap().step, Step::Copied);
    decide(1, etag).unwrap();
    assert_eq!(store.registration(&id("dev-1")).unwrap().unwrap().registration, moved);
    assert_eq!(store.transfer(&id("dev-1")).unwrap().unwrap().step, Step::Committed);
    store.check().unwrap();
}

#[test]
fn registrations_are_listed_by_hub_and_by_enrollment_with_positions() {
    let store = open_on(&Disk::new()).unwrap();
    for name in ["b", "a", "c"] {
        place(&store, name, "lisbon", None).unwrap();
    }
    place(&store, "d", "berlin", None).unwrap();
    let page = store.on_hub(&hub("lisbon"), None, 2).unwrap();
    assert_eq!(page.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let rest = store.on_hub(&hub("lisbon"), Some(page[1].0), 9).unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(store.under_enrollment(&group("line-7"), None, 9).unwrap().len(), 4);
    assert_eq!(store.under_enrollment(&group("line-7"), Some(rest[0].0), 9).unwrap()[0].1, id("d"));
    assert_eq!(store.hub_counts().unwrap(), [(hub("berlin"), 1), (hub("lisbon"), 3)]);
}

#[test]
fn a_closed_store_refuses_every_kind_of_change() {
    let store = open_on(&Disk::new()).unwrap();
    block_on(store.close());
    let error = journal(&store, put(transfer("dev-1", 1, Step::Planned))).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Closed)));
    let error = write(&store, "lisbon", "dev-1", fence(1)).unwrap_err();
    assert_eq!(error, StoreError::Closed.into());
    assert_eq!(block_on(store.set_hub_settings(&hub("lisbon"), Default::default())), Err(StoreError::Closed));
}
