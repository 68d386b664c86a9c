//! Disks that fail, fill up, or lose power at any operation of a sequence of registrations.

use std::collections::BTreeMap;

use super::disk::Trouble;
use super::*;
use crate::domain::ports::StoreError;

/// What a device may find: the last state that was acknowledged to it, and those whose commit failed since, which may be there or not.
#[derive(Default)]
struct Outcomes(BTreeMap<String, (Option<Registration>, Vec<Registration>)>);

impl Outcomes {
    fn attempt(&mut self, store: &RedbStore, registration: Registration) -> Result<ETag, CommitError> {
        let name = registration.id.to_string();
        let (acknowledged, unknown) = self.0.entry(name).or_default();
        let expected = match store.registration(&registration.id) {
            Ok(stored) => stored.map(|stored| stored.etag),
            Err(error) => return Err(error.into()),
        };
        let outcome = commit(
            store,
            Decision {
                registration: registration.clone(),
                expected,
                device: Some(device(1)),
                hub: None,
                journal: None,
            },
        );
        match outcome {
            Ok(_) => {
                *acknowledged = Some(registration);
                unknown.clear();
            }
            Err(CommitError::Conflict { .. }) => panic!("nobody else writes"),
            Err(_) => unknown.push(registration),
        }
        outcome
    }

    fn assert_held_by(&self, store: &RedbStore, when: &str) {
        store.check().unwrap_or_else(|error| panic!("{when}: {error}"));
        for (name, (acknowledged, unknown)) in &self.0 {
            let found = store.registration(&id(name)).unwrap().map(|stored| stored.registration);
            assert!(
                found == *acknowledged || found.as_ref().is_some_and(|found| unknown.contains(found)),
                "{when}: {name} is {found:?} instead of {acknowledged:?} or one of {unknown:?}"
            );
            if found.is_some() {
                assert!(store.device(&id(name)).unwrap().is_some(), "{when}: {name} has no registry entry");
            }
        }
    }
}

/// New registrations, changes of hub and enrollment, and a failure, so that all tables change.
fn sequence() -> impl Iterator<Item = Registration> {
    (0..12).map(|step| {
        let mut registration = registration(&format!("dev-{}", step % 5), step);
        if step % 3 == 1 {
            registration.state = assigned_to(&format!("hub-{step}"));
            registration.enrollment = group(&format!("group-{step}"));
        }
        if step % 7 == 5 {
            registration.state = failed("no hub");
        }
        registration
    })
}

/// Runs the sequence in trouble; `false` when the trouble never came.
fn survives(base: &Disk, trouble: Trouble, at: u64) -> bool {
    let disk = base.copy();
    let store = open_on(&disk).unwrap();
    let mut outcomes = Outcomes::default();
    disk.trouble(trouble.clone());
    let failures = sequence().filter(|registration| outcomes.attempt(&store, registration.clone()).is_err()).count();
    let came = disk.operations() > at;
    disk.trouble(Trouble::None);

    // With the trouble over it serves again, in the same process.
    commit(&store, decision(registration("after", 99), None))
        .unwrap_or_else(|error| panic!("{trouble:?}: does not recover: {error}"));
    outcomes.assert_held_by(&store, &format!("{trouble:?}, in process"));
    block_on(store.close());
    drop(store);
    outcomes.assert_held_by(&open_on(&disk).unwrap(), &format!("{trouble:?}, opened again"));
    came || failures > 0
}

#[test]
fn a_disk_that_fills_up_at_any_operation_loses_nothing_acknowledged_and_serves_again_when_it_has_room() {
    let base = Disk::new();
    let tried = (0..).take_while(|at| survives(&base, Trouble::Fail(*at..u64::MAX), *at)).count();
    assert!(tried > 30, "only {tried} operations");
}

#[test]
fn one_failed_operation_at_any_point_costs_one_batch_at_most() {
    let base = Disk::new();
    let tried = (0..).take_while(|at| survives(&base, Trouble::Fail(*at..*at + 1), *at)).count();
    assert!(tried > 30, "only {tried} operations");
}

#[test]
fn a_panic_in_the_writer_at_any_operation_fails_its_batch_and_the_thread_goes_on() {
    let base = Disk::new();
    let tried = (0..).take_while(|at| survives(&base, Trouble::Panic(*at), *at)).count();
    assert!(tried > 30, "only {tried} operations");
}

#[test]
fn reads_go_on_while_the_disk_is_full_and_writes_when_it_no_longer_is() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    commit(&store, decision(registration("dev-1", 1), None)).unwrap();
    disk.trouble(Trouble::Full);
    let mut refused = Vec::new();
    for number in 0..200 {
        let name = format!("new-{number}");
        match commit(&store, Decision { device: Some(device(number)), ..decision(registration(&name, 1), None) }) {
            Ok(_) => assert!(store.registration(&id(&name)).unwrap().is_some()),
            Err(error) => {
                assert!(error.to_string().contains("no space left on device"), "{error}");
                refused.push(name);
            }
        }
        assert_eq!(store.registration(&id("dev-1")).unwrap().unwrap().registration, registration("dev-1", 1));
    }
    assert!(refused.len() > 1, "the disk never was full");
    disk.trouble(Trouble::None);
    for name in refused {
        assert_eq!(store.registration(&id(&name)).unwrap(), None);
        commit(&store, decision(registration(&name, 1), None)).unwrap();
    }
    store.check().unwrap();
}

#[test]
fn a_store_that_could_not_be_opened_again_comes_back_by_a_read() {
    let disk = Disk::new();
    let store = open_on(&disk).unwrap();
    commit(&store, decision(registration("dev-1", 1), None)).unwrap();
    disk.trouble(Trouble::Fail(0..u64::MAX));
    commit(&store, decision(registration("dev-2", 1), None)).unwrap_err();
    assert!(matches!(store.registration(&id("dev-1")), Err(StoreError::Unavailable(_))));
    disk.trouble(Trouble::None);
    // Each refused read asks the writer to look again.
    while store.registration(&id("dev-1")).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn after_a_failure_commits_pause_and_reads_do_not() {
    let disk = Disk::new();
    let store = RedbStore::start(Box::new(DiskSource(disk.clone())), &small(), Duration::from_secs(3600)).unwrap();
    commit(&store, decision(registration("dev-1", 1), None)).unwrap();
    disk.trouble(Trouble::Fail(0..1));
    commit(&store, decision(registration("dev-2", 1), None)).unwrap_err();
    let operations = disk.operations();
    let error = commit(&store, decision(registration("dev-3", 1), None)).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Unavailable(_))), "{error}");
    assert_eq!(disk.operations(), operations, "the disk was left alone");
    assert!(store.registration(&id("dev-1")).unwrap().is_some());
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let base = Disk::new();
    let mut at = 0;
    loop {
        let disk = base.copy();
        let store = open_on(&disk).unwrap();
        disk.trouble(Trouble::Fail(at..u64::MAX));
        let mut outcomes = Outcomes::default();
        // Nothing after the cut is written: a store that cannot open again refuses.
        let failures =
            sequence().take_while(|registration| outcomes.attempt(&store, registration.clone()).is_ok()).count();
        for seed in 0..4 {
            let left = disk.after_power_cut(random(at << 8 | seed));
            let store = open_on(&left).unwrap_or_else(|error| panic!("cut at {at}, seed {seed}: {error}"));
            outcomes.assert_held_by(&store, &format!("cut at {at}, seed {seed}"));
            outcomes.attempt(&store, registration("after", 99)).unwrap();
            outcomes.0.remove("after");
        }
        if failures == sequence().count() {
            break;
        }
        at += 1;
    }
    assert!(at > 30, "only {at} operations");
}

/// Splitmix64.
pub fn random(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
