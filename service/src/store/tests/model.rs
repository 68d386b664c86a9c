//! Random commits, reopenings and listings against a map in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::registration::Registered;
use crate::store::{Cursor, Selection};

#[derive(Debug, Clone)]
enum Operation {
    Commit { device: u8, hub: Option<u8>, enrollment: u8, entry: Option<u64>, guard: Guard },
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Guard {
    Current,
    None,
    Stale,
}

fn operation() -> impl Strategy<Value = Operation> {
    let guard = prop_oneof![8 => Just(Guard::Current), 1 => Just(Guard::None), 1 => Just(Guard::Stale)];
    let commit = (0u8..12, proptest::option::weighted(0.8, 0u8..3), 0u8..5, proptest::option::of(any::<u64>()), guard);
    prop_oneof![
        15 => commit.prop_map(|(device, hub, enrollment, entry, guard)| Operation::Commit { device, hub, enrollment, entry, guard }),
        1 => Just(Operation::Reopen),
    ]
}

fn enrollment_of(device: &str, number: u8) -> EnrollmentName {
    match number {
        0 => EnrollmentName::Individual(id(device)),
        1 => EnrollmentName::Individual(id("another")),
        number => group(&format!("group-{number}")),
    }
}

#[derive(Default)]
struct Model {
    /// In the order in which they were first made.
    order: Vec<String>,
    rows: BTreeMap<String, (Registered, Option<Device>)>,
    last: u64,
}

impl Model {
    fn selected(&self, selection: &Selection) -> Vec<Registered> {
        let rows = self.order.iter().map(|name| &self.rows[name].0);
        let matches = |row: &&Registered| match (selection, &row.registration.state) {
            (Selection::All, _)
            | (Selection::Assigned, State::Assigned { .. })
            | (Selection::Failed, State::Failed { .. }) => true,
            (Selection::Hub(wanted), State::Assigned { hub, .. }) => hub == wanted,
            (Selection::Enrollment(wanted), _) => row.registration.enrollment == *wanted,
            _ => false,
        };
        rows.filter(matches).cloned().collect()
    }

    fn assert_equals(&self, store: &RedbStore) {
        let report = store.check().unwrap();
        assert_eq!(report.registrations, self.rows.len() as u64);
        assert_eq!(report.devices, self.rows.values().filter(|(_, device)| device.is_some()).count() as u64);
        for (name, (registered, device)) in &self.rows {
            assert_eq!(store.registration(&id(name)).unwrap().as_ref(), Some(registered));
            assert_eq!(store.device(&id(name)).unwrap().as_ref(), device.as_ref());
        }
        let mut selections = vec![Selection::All, Selection::Assigned, Selection::Failed, Selection::Hub(hub("hub-9"))];
        selections.extend((0..3).map(|number| Selection::Hub(hub(&format!("hub-{number}")))));
        selections.extend((2..6).map(|number| Selection::Enrollment(group(&format!("group-{number}")))));
        selections.push(Selection::Enrollment(enrollment_of("another", 1)));
        selections.extend((0..12).map(|device| Selection::Enrollment(enrollment_of(&format!("dev-{device}"), 0))));
        for selection in &selections {
            let expected = self.selected(selection);
            assert_eq!(store.count(selection).unwrap(), expected.len() as u64, "{selection:?}");
            for limit in [1, 3, 100] {
                assert_eq!(all_pages(store, selection, limit), expected, "{selection:?} by {limit}");
            }
        }
        let counts = store.counts().unwrap();
        assert_eq!(counts.total, self.rows.len() as u64);
        assert_eq!(
            (counts.assigned, counts.failed),
            (self.count(&Selection::Assigned), self.count(&Selection::Failed))
        );
        for (hub, count) in counts.hubs {
            assert_eq!(self.count(&Selection::Hub(hub)), count);
        }
    }

    fn count(&self, selection: &Selection) -> u64 {
        self.selected(selection).len() as u64
    }
}

fn all_pages(store: &RedbStore, selection: &Selection, limit: usize) -> Vec<Registered> {
    let mut found = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = store.page(selection, after, limit).unwrap();
        assert!(page.registrations.len() <= limit);
        found.extend(page.registrations);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_behaves_as_a_map(operations in proptest::collection::vec(operation(), 1..60)) {
        let disk = Disk::new();
        let mut store = open_on(&disk).unwrap();
        let mut model = Model::default();
        for (step, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Reopen => {
                    drop(store);
                    store = open_on(&disk).unwrap();
                }
                Operation::Commit { device: number, hub, enrollment, entry, guard } => {
                    let name = format!("dev-{number}");
                    let mut wanted = registration(&name, step as u64);
                    wanted.enrollment = enrollment_of(&name, enrollment);
                    wanted.state = hub.map_or_else(|| failed("none"), |hub| assigned_to(&format!("hub-{hub}")));
                    let current = model.rows.get(&name).map(|(row, _)| row.etag);
                    let expected = match guard {
                        Guard::Current => current,
                        Guard::None => None,
                        Guard::Stale => Some(ETag::new(u64::MAX)),
                    };
                    let entry = entry.map(device);
                    let outcome = commit(&store, Decision { registration: wanted.clone(), expected, device: entry.clone(), hub: None, journal: None });
                    if expected == current {
                        let etag = outcome.unwrap();
                        prop_assert!(etag.revision() > model.last);
                        model.last = etag.revision();
                        if current.is_none() {
                            model.order.push(name.clone());
                        }
                        let before = model.rows.remove(&name).and_then(|(_, device)| device);
                        model.rows.insert(name, (Registered { registration: wanted, etag }, entry.or(before)));
                    } else {
                        let conflict = matches!(outcome, Err(CommitError::Conflict { current: found }) if found == current);
                        prop_assert!(conflict, "{:?}", outcome);
                    }
                }
            }
        }
        model.assert_equals(&store);
    }
}
