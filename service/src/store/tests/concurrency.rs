//! Many at once: batches, conflicts, a full queue, closing.

use std::task::{Context, Poll, Waker};

use super::*;
use crate::domain::ports::{Committing, StoreError};
use crate::store::Selection;

fn start(committing: &mut Committing<'_>) {
    assert!(committing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn decisions_that_wait_share_one_durable_commit_and_a_conflict_fails_only_its_own() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    disk.stall();
    let mut first = store.commit(decision(registration("first", 1), None));
    start(&mut first);
    disk.wait_for_stalled_sync();
    let mut waiting = [
        store.commit(decision(registration("a", 1), None)),
        store.commit(decision(registration("a", 2), None)),
        store.commit(decision(registration("b", 1), Some(ETag::new(77)))),
        store.commit(decision(registration("c", 1), None)),
    ];
    waiting.iter_mut().for_each(start);
    disk.resume();
    block_on(first).unwrap();
    let alone = disk.syncs();
    let [a, again, b, c] = waiting.map(block_on);
    let a = a.unwrap();
    assert!(
        matches!(again, Err(CommitError::Conflict { current: Some(current) }) if current == a),
        "judged after the one before it"
    );
    assert!(matches!(b, Err(CommitError::Conflict { current: None })));
    assert!(c.unwrap() > a);
    // The first commit had as many syncs as this one of four decisions.
    assert!(disk.syncs() - alone <= 3, "{} syncs, {alone} before", disk.syncs());
    assert_eq!(store.registration(&id("a")).unwrap().unwrap().registration, registration("a", 1));
    assert_eq!(store.registration(&id("b")).unwrap(), None);
    store.check().unwrap();
}

#[test]
fn two_decisions_of_one_batch_for_the_same_id_build_on_each_other() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    disk.stall();
    let mut first = store.commit(decision(registration("first", 1), None));
    start(&mut first);
    disk.wait_for_stalled_sync();
    // Revisions are handed out in the order of the queue: the first one has 1, the next 2.
    let moved = Registration { state: assigned_to("berlin"), enrollment: group("line-8"), ..registration("a", 2) };
    let mut waiting =
        [store.commit(decision(registration("a", 1), None)), store.commit(decision(moved.clone(), Some(ETag::new(2))))];
    waiting.iter_mut().for_each(start);
    disk.resume();
    block_on(first).unwrap();
    for verdict in waiting.map(block_on) {
        verdict.unwrap();
    }
    assert_eq!(store.registration(&id("a")).unwrap().unwrap().registration, moved);
    assert_eq!(store.count(&Selection::Hub(hub("berlin"))).unwrap(), 1);
    store.check().unwrap();
}

#[test]
fn a_full_queue_makes_who_comes_wait_without_blocking_a_thread() {
    let disk = Disk::new();
    let config =
        Config { max_batch: NonZeroU16::new(1).unwrap(), queue_length: NonZeroU32::new(1).unwrap(), ..small() };
    let store = RedbStore::start(Box::new(DiskSource(disk.clone())), &config, Duration::ZERO).unwrap();
    disk.stall();
    let mut waiting: Vec<_> =
        (0..10).map(|number| store.commit(decision(registration(&format!("dev-{number}"), 1), None))).collect();
    waiting.iter_mut().for_each(start);
    disk.resume();
    block_on(async {
        for committing in waiting {
            committing.await.unwrap();
        }
    });
    assert_eq!(store.check().unwrap().registrations, 10);
}

#[test]
fn closing_commits_what_waits_and_refuses_what_comes_later() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    disk.stall();
    let mut waiting: Vec<_> =
        (0..5).map(|number| store.commit(decision(registration(&format!("dev-{number}"), 1), None))).collect();
    waiting.iter_mut().for_each(start);
    let mut closing = Box::pin(store.close());
    assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    disk.resume();
    block_on(closing);
    for committing in waiting {
        block_on(committing).unwrap();
    }
    assert!(matches!(
        commit(&store, decision(registration("late", 1), None)),
        Err(CommitError::Store(StoreError::Closed))
    ));
    block_on(store.close());
    assert_eq!(open_on(&disk).unwrap().check().unwrap().registrations, 5);
}

#[test]
fn a_commit_nobody_waits_for_any_more_stands() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    disk.stall();
    let mut abandoned = store.commit(decision(registration("dev-1", 1), None));
    start(&mut abandoned);
    drop(abandoned);
    disk.resume();
    commit(&store, decision(registration("dev-2", 1), None)).unwrap();
    assert!(store.registration(&id("dev-1")).unwrap().is_some());
}

#[test]
fn concurrent_changes_of_one_registration_are_not_lost() {
    const TASKS: u64 = 16;
    const CHANGES: u64 = 8;
    let disk = Disk::new();
    let store = Arc::new(open_on(&disk).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move {
                let mut changes = 0;
                while changes < CHANGES {
                    let stored = store.registration(&id("shared")).unwrap();
                    let count = stored.as_ref().map_or(0, |stored| stored.registration.updated.secs() - 1_795_000_000);
                    match store
                        .commit(decision(registration("shared", count + 1), stored.map(|stored| stored.etag)))
                        .await
                    {
                        Ok(_) => changes += 1,
                        Err(CommitError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(
        store.registration(&id("shared")).unwrap().unwrap().registration,
        registration("shared", TASKS * CHANGES)
    );
}

#[test]
fn a_dropped_store_has_committed_what_was_queued() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    let mut committing = store.commit(decision(registration("dev-1", 1), None));
    let _: Poll<_> = committing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(committing);
    drop(store);
    assert!(open_on(&disk).unwrap().registration(&id("dev-1")).unwrap().is_some());
}
