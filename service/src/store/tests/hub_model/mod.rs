//! Random placements, moves, hub writes and operations of the hub port against a simple model in memory.

use proptest::prelude::*;

use self::model::{Model, Record, Stands, Verdict, subscriptions};
use super::fixtures::*;
use super::*;
use crate::domain::hub_device::{DeviceState, Event, QueuedMessage, Standing, Subscription};
use crate::domain::ports::{HubPlacement, HubStore, HubWrite, HubWriteError};
use crate::domain::twin::Twin;

mod model;

const HUBS: [&str; 3] = ["lisbon", "berlin", "oslo"];
const NAMES: [&str; 3] = ["dev-0", "dev-1", "dev-2"];
/// Device ids that a registration may have; the last is any one's.
const DEVICES: [&str; 5] = ["dev-0", "dev-1", "dev-2", "Dev-1", "shared"];

#[derive(Debug, Clone, Copy)]
enum Placing {
    Assign,
    Carry,
    Leave,
}

#[derive(Debug, Clone, Copy)]
enum Writing {
    Twin(bool),
    Subscriptions(u8),
    Enqueue(u8),
    Delivered,
    Dequeue,
    Event(u8),
}

#[derive(Debug, Clone, Copy)]
enum Porting {
    Provision,
    Identity,
    Fence,
    Release,
    Remove,
}

#[derive(Debug, Clone)]
enum Step {
    Place { name: usize, hub: usize, own_id: bool, full: bool, what: Placing },
    Write { hub: usize, device: usize, what: Writing },
    Port { name: usize, hub: usize, own_id: bool, by: u8, full: bool, what: Porting },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    use Porting::*;
    let place = prop_oneof![3 => Just(Placing::Assign), 4 => Just(Placing::Carry), 1 => Just(Placing::Leave)];
    let write = prop_oneof![
        4 => any::<bool>().prop_map(Writing::Twin),
        1 => (0u8..3).prop_map(Writing::Subscriptions),
        3 => (0u8..30).prop_map(Writing::Enqueue),
        1 => Just(Writing::Delivered),
        1 => Just(Writing::Dequeue),
        3 => (0u8..40).prop_map(Writing::Event),
    ];
    let port = prop_oneof![Just(Provision), Just(Identity), Just(Fence), Just(Release), Just(Remove)];
    let own_id = || proptest::bool::weighted(0.8);
    prop_oneof![
        6 => (0..3usize, 0..3usize, own_id(), any::<bool>(), place)
            .prop_map(|(name, hub, own_id, full, what)| Step::Place { name, hub, own_id, full, what }),
        10 => (0..3usize, 0..5usize, write).prop_map(|(hub, device, what)| Step::Write { hub, device, what }),
        8 => (0..3usize, 0..3usize, own_id(), 1u8..4, any::<bool>(), port)
            .prop_map(|(name, hub, own_id, by, full, what)| Step::Port { name, hub, own_id, by, full, what }),
        1 => Just(Step::Reopen),
    ]
}

impl Model {
    fn assert_equals(&self, store: &RedbStore) {
        store.check().unwrap();
        for (number, hub_name) in HUBS.iter().enumerate() {
            for device in DEVICES {
                let found = store.hub_device(&hub(hub_name), &device_id(device)).unwrap();
                let Some(record) = self.at(number, device).map(|at| &self.0[at]) else {
                    assert_eq!(found, None, "{device} on {hub_name}");
                    continue;
                };
                let found = found.unwrap_or_else(|| panic!("{device} is not on {hub_name}: {record:?}"));
                assert_eq!(found.identity, identity(NAMES[record.name], device));
                assert_eq!(found.standing, stands(record.stands), "{device} on {hub_name}");
                assert_eq!(found.subscriptions, record.subscriptions);
                let (twin, queue, events) = (record.twin.clone(), record.queue.clone(), record.events.clone());
                let expected = (!record.left()).then_some(DeviceState { twin, queue, events });
                assert_eq!(state(store, hub_name, device), expected, "{device} on {hub_name}");
            }
            let here = self.0.iter().filter(|record| record.hub == number && !record.left()).count();
            assert_eq!(store.hub_device_count(&hub(hub_name)).unwrap(), here as u64);
            let (mut listed, mut after) = (0, None);
            while let Some((position, device)) = store.hub_devices(&hub(hub_name), after, 1).unwrap().pop() {
                assert!(self.at(number, device.identity.device_id.as_str()).is_some());
                (listed, after) = (listed + 1, Some(position));
            }
            assert_eq!(listed, here);
        }
        for device in DEVICES {
            let active = |record: &&Record| record.device == device && matches!(record.stands, Stands::Active(_));
            let hubs: Vec<_> = self.0.iter().filter(active).map(|record| hub(HUBS[record.hub])).collect();
            let only = (hubs.len() == 1).then(|| hubs[0].clone());
            assert_eq!(store.hub_of(&device_id(device)).unwrap(), only, "{device}");
        }
    }
}

fn stands(stands: Stands) -> Standing {
    match stands {
        Stands::Active(_) => Standing::Active,
        Stands::Held(by) => Standing::Held(operation(by)),
        Stands::Fenced(by) => Standing::Fenced(operation(by)),
        Stands::Moved(_, day) => Standing::Moved { to: Some("elsewhere:1".into()), at: at(day) },
    }
}

fn verdict(outcome: Result<u64, HubWriteError>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Done,
        Err(HubWriteError::NotActive) => Verdict::NotActive,
        Err(HubWriteError::Conflict) => Verdict::Conflict,
        Err(HubWriteError::Busy(by)) => Verdict::Busy(by.as_bytes()[0]),
        Err(HubWriteError::Taken(holder)) => taken(&holder),
        Err(HubWriteError::QueueFull) => Verdict::Full,
        Err(HubWriteError::Store(error)) => panic!("{error}"),
    }
}

fn taken(holder: &RegistrationId) -> Verdict {
    Verdict::Taken(NAMES.iter().position(|name| *name == holder.as_str()).unwrap())
}

fn placed(store: &RedbStore, name: &str, hub: &str, placement: HubPlacement) -> Verdict {
    match place(store, name, hub, placement) {
        Ok(_) => Verdict::Done,
        Err(CommitError::Busy(by)) => Verdict::Busy(by.as_bytes()[0]),
        Err(CommitError::Taken { holder, .. }) => taken(&holder),
        Err(error) => panic!("{error}"),
    }
}

fn record(name: usize, hub: usize, own_id: bool, state: DeviceState) -> Record {
    let device = match (own_id, name) {
        (true, _) => NAMES[name],
        (false, 1) => "Dev-1",
        (false, _) => "shared",
    };
    let DeviceState { twin, queue, events } = state;
    let (stands, subscriptions, apart) = (Stands::Active(None), Vec::new(), false);
    Record { name, device: device.into(), hub, stands, twin, queue, events, subscriptions, apart }
}

fn apply(store: &RedbStore, model: &mut Model, step: &Step, day: u64) {
    let state = |full_state: bool| if full_state { full(day) } else { empty(day) };
    let to = || Some("elsewhere:1".to_owned());
    let (found, expected) = match step {
        Step::Reopen => return,
        Step::Place { name, hub: on, own_id, full, what } => {
            let record = record(*name, *on, *own_id, state(*full));
            let (hub, identity) = (hub(HUBS[*on]), identity(NAMES[*name], &record.device));
            let (state, at) = (state(*full), at(day));
            let placement = match what {
                Placing::Assign => HubPlacement::Assign { hub, identity, state, at },
                Placing::Carry => HubPlacement::Carry { hub, identity, otherwise: state, at },
                Placing::Leave => HubPlacement::Leave { to: to(), at },
            };
            (placed(store, NAMES[*name], HUBS[*on], placement), model.place(record, *what, day))
        }
        Step::Write { hub: on, device, what } => {
            let (hub_name, device) = (HUBS[*on], DEVICES[*device]);
            let waiting = store.queue(&hub(hub_name), &device_id(device), None, 2).unwrap();
            let numbers = waiting.iter().map(|(number, _)| *number).chain([u64::MAX]).collect();
            let current = store.twin(&hub(hub_name), &device_id(device)).unwrap().map_or(0, |twin| twin.version);
            let found = store.hub_device(&hub(hub_name), &device_id(device)).unwrap();
            let revision = found.map_or(0, |device| device.revision);
            let change = match what {
                Writing::Twin(right) => {
                    HubWrite::Twin { twin: twin(day), expected: current + u64::from(!right), revision }
                }
                Writing::Subscriptions(number) => HubWrite::Subscriptions(subscriptions(*number)),
                Writing::Enqueue(size) => HubWrite::Enqueue(message(&"m".repeat((*size).into()))),
                Writing::Delivered => HubWrite::Delivered(numbers),
                Writing::Dequeue => HubWrite::Dequeue(numbers),
                Writing::Event(size) => HubWrite::Event(event(&"e".repeat((*size).into()))),
            };
            (verdict(write(store, hub_name, device, change)), model.write(*on, device, *what, day))
        }
        Step::Port { name, hub: on, own_id, by, full, what } => {
            let record = record(*name, *on, *own_id, state(*full));
            let (device, operation, at) = (record.device.clone(), operation(*by), at(day));
            let (identity, registration) = (identity(NAMES[*name], &device), id(NAMES[*name]));
            let change = match what {
                Porting::Provision => HubWrite::Provision { operation, identity, state: state(*full).into(), at },
                Porting::Identity => HubWrite::Identity { operation, identity },
                Porting::Fence => HubWrite::Fence { operation, registration },
                Porting::Release => HubWrite::Release { operation, registration },
                Porting::Remove => HubWrite::Remove { operation, registration, to: to(), at },
            };
            (verdict(write(store, HUBS[*on], &device, change)), model.port(record, *by, *what, day))
        }
    };
    assert_eq!(found, expected, "{step:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn devices_on_hubs_behave_as_the_model(steps in proptest::collection::vec(step(), 1..50)) {
        let disk = Disk::new();
        let mut store = open_on(&disk).unwrap();
        let mut model = Model::default();
        for (number, step) in steps.iter().enumerate() {
            apply(&store, &mut model, step, 4 + 3 * number as u64);
            if matches!(step, Step::Reopen) {
                drop(store);
                store = open_on(&disk).unwrap();
            }
            model.assert_equals(&store);
        }
    }
}
