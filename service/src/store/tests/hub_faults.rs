//! Disks that fail or lose power at any operation of the life of a device on hubs: it is assigned, written to, moved within the store, and
//! moved to a hub on another machine step by step.

use super::disk::Trouble;
use super::faults::random;
use super::fixtures::*;
use super::journal::{put, transfer};
use super::*;
use crate::domain::hub_device::{DeviceState, HubDevice};
use crate::domain::ports::{HubStore, HubWrite, JournalWrite};
use crate::domain::registration::Registered;
use crate::domain::transfer::{Step, Transfer};

type Outcome = Result<(), String>;

fn done<T, E: ToString>(outcome: Result<T, E>) -> Outcome {
    outcome.map(drop).map_err(|error| error.to_string())
}

fn on(hub_name: &'static str, change: HubWrite) -> impl Fn(&RedbStore) -> Outcome {
    move |store| done(write(store, hub_name, "dev-1", change.clone()))
}

fn journaled(change: JournalWrite) -> impl Fn(&RedbStore) -> Outcome {
    move |store| done(block_on(store.journal(change.clone())))
}

/// A step of a device's life.
type Move = Box<dyn Fn(&RedbStore) -> Outcome>;

fn life() -> Vec<Move> {
    let commit_move = |store: &RedbStore| -> Outcome {
        let expected = store.registration(&id("dev-1")).map_err(|error| error.to_string())?.map(|stored| stored.etag);
        let registration = Registration { state: assigned_to("oslo"), ..registration("dev-1", 3) };
        let journal = Some(put(transfer("dev-1", 1, Step::Committed)));
        done(commit(store, Decision { journal, ..decision(registration, expected) }))
    };
    vec![
        Box::new(|store| done(place(store, "dev-1", "lisbon", assign("lisbon", "dev-1", full(1))))),
        Box::new(|store| done(change_twin(store, "lisbon", "dev-1", 2, 1))),
        Box::new(on("lisbon", HubWrite::Event(event("second")))),
        Box::new(on("lisbon", HubWrite::Event(event("third")))),
        Box::new(|store| done(place(store, "dev-1", "berlin", carry("berlin", "dev-1")))),
        Box::new(on("berlin", HubWrite::Enqueue(message("three")))),
        Box::new(journaled(put(transfer("dev-1", 1, Step::Planned)))),
        Box::new(on("berlin", fence(1))),
        Box::new(journaled(put(transfer("dev-1", 1, Step::Copied)))),
        Box::new(commit_move),
        Box::new(on("berlin", remove(1))),
        Box::new(journaled(JournalWrite::Delete(id("dev-1")))),
        Box::new(|store| done(place(store, "dev-1", "lisbon", assign("lisbon", "dev-1", empty(4))))),
    ]
}

/// All that can be read of the device.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    registration: Option<Registered>,
    devices: Vec<Option<HubDevice>>,
    states: Vec<Option<DeviceState>>,
    transfer: Option<Transfer>,
}

fn seen(store: &RedbStore) -> Seen {
    store.check().unwrap();
    let hubs = ["lisbon", "berlin", "oslo"];
    let active = hubs.map(|name| standing(store, name, "dev-1").is_some_and(|standing| standing.is_active()));
    assert!(active.into_iter().filter(|active| *active).count() <= 1, "active on two hubs");
    Seen {
        registration: store.registration(&id("dev-1")).unwrap(),
        devices: hubs.map(|name| store.hub_device(&hub(name), &device_id("dev-1")).unwrap()).to_vec(),
        states: hubs.map(|name| state(store, name, "dev-1")).to_vec(),
        transfer: store.transfer(&id("dev-1")).unwrap(),
    }
}

/// What is seen before the first step and after each.
fn undisturbed() -> Vec<Seen> {
    let store = open_on(&Disk::new()).unwrap();
    let after = life().into_iter().map(|step| {
        step(&store).unwrap();
        seen(&store)
    });
    std::iter::once(seen(&open_on(&Disk::new()).unwrap())).chain(after).collect()
}

/// Takes the steps until one fails, and gives the number of those that were acknowledged.
fn acknowledged(store: &RedbStore) -> usize {
    life().iter().take_while(|step| step(store).is_ok()).count()
}

/// Whether the device is as it was acknowledged, or the step that failed is there whole; gives the number of steps that are.
fn assert_whole(store: &RedbStore, acknowledged: usize, all: &[Seen], when: &str) -> usize {
    let found = seen(store);
    let possible = acknowledged..(acknowledged + 2).min(all.len());
    possible.clone().find(|steps| all[*steps] == found).unwrap_or_else(|| {
        panic!("{when}: after {acknowledged} steps there is {found:#?}, instead of {:#?}", &all[possible])
    })
}

/// With the trouble over, the steps that are not there are taken.
fn go_on(store: &RedbStore, from: usize, all: &[Seen], when: &str) {
    for step in &life()[from..] {
        step(store).unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    assert_eq!(Some(&seen(store)), all.last(), "{when}");
}

fn survives(trouble: impl Fn(u64) -> Trouble) -> u64 {
    let all = undisturbed();
    let base = Disk::new();
    for at in 0.. {
        let disk = base.copy();
        let store = open_on(&disk).unwrap();
        disk.trouble(trouble(at));
        let steps = acknowledged(&store);
        disk.trouble(Trouble::None);
        if steps == all.len() - 1 {
            return at;
        }
        drop(store);
        let when = format!("{:?}", trouble(at));
        let store = open_on(&disk).unwrap();
        let there = assert_whole(&store, steps, &all, &when);
        go_on(&store, there, &all, &when);
    }
    unreachable!("a life ends")
}

#[test]
fn a_disk_that_fills_up_at_any_operation_leaves_each_step_of_a_move_whole() {
    let tried = survives(|at| Trouble::Fail(at..u64::MAX));
    assert!(tried > 60, "only {tried} operations");
}

#[test]
fn a_panic_at_any_operation_leaves_each_step_of_a_move_whole() {
    let tried = survives(Trouble::Panic);
    assert!(tried > 60, "only {tried} operations");
}

#[test]
fn a_power_cut_at_any_operation_leaves_each_step_of_a_move_whole() {
    let all = undisturbed();
    let base = Disk::new();
    for at in 0.. {
        let disk = base.copy();
        let store = open_on(&disk).unwrap();
        disk.trouble(Trouble::Fail(at..u64::MAX));
        let steps = acknowledged(&store);
        for seed in 0..3 {
            let when = format!("cut at {at}, seed {seed}");
            let left = disk.after_power_cut(random(at << 8 | seed));
            let store = open_on(&left).unwrap_or_else(|error| panic!("{when}: {error}"));
            let there = assert_whole(&store, steps, &all, &when);
            go_on(&store, there, &all, &when);
        }
        if steps == all.len() - 1 {
            assert!(at > 60, "only {at} operations");
            return;
        }
    }
}

#[test]
fn changes_of_all_kinds_that_wait_share_one_commit_in_their_order() {
    use std::task::{Context, Waker};
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    place(&store, "dev-1", "lisbon", assign("lisbon", "dev-1", empty(1))).unwrap();
    disk.stall();
    let mut first = store.commit(decision(registration("first", 1), None));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    disk.wait_for_stalled_sync();
    let (lisbon, device) = (hub("lisbon"), device_id("dev-1"));
    let revision = store.hub_device(&lisbon, &device).unwrap().unwrap().revision;
    let mut before = store.write(&lisbon, &device, HubWrite::Twin { twin: twin(2), expected: 1, revision });
    let mut fencing = store.write(&lisbon, &device, fence(1));
    let mut after = store.write(&lisbon, &device, HubWrite::Twin { twin: twin(3), expected: 2, revision });
    let mut journal = store.journal(put(transfer("dev-1", 1, Step::Planned)));
    let mut settings = store.set_hub_settings(&lisbon, Default::default());
    let mut context = Context::from_waker(Waker::noop());
    assert!(before.as_mut().poll(&mut context).is_pending() && fencing.as_mut().poll(&mut context).is_pending());
    assert!(after.as_mut().poll(&mut context).is_pending() && journal.as_mut().poll(&mut context).is_pending());
    assert!(settings.as_mut().poll(&mut context).is_pending());
    disk.resume();
    block_on(first).unwrap();
    let alone = disk.syncs();
    block_on(before).unwrap();
    block_on(fencing).unwrap();
    assert!(block_on(after).is_err(), "the fence came first");
    block_on(journal).unwrap();
    block_on(settings).unwrap();
    assert!(disk.syncs() - alone <= 3, "{} syncs, {alone} before", disk.syncs());
    assert_eq!(store.twin(&lisbon, &device).unwrap(), Some(twin(2)));
}
