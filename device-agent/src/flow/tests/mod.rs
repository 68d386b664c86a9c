//! The machine, told what happens and asked what it does. Time is a number of seconds.

mod hub;
mod properties;
mod reset;
mod service;
mod start;
mod triggers;
mod view;
mod world;

use std::time::{Duration, Instant};

use firsthop_protocol::{DeviceId, ETag, Timestamp};

use super::*;

const DAY: u64 = 24 * 60 * 60;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn assignment(hub: &str) -> Assignment {
    Assignment {
        hub: hub.to_owned(),
        device_id: DeviceId::parse("dev-1").unwrap(),
        etag: Some(ETag::new(1)),
        substatus: None,
        told: Timestamp::from_secs(1),
        asked_with: "v1".into(),
    }
}

fn proven(hub: &str) -> Known {
    Known { proven: Some(assignment(hub)), ..Known::default() }
}

fn failure(class: Class) -> Failure {
    Failure { class, retry_after: None, register: false, instead: None, message: format!("{class:?}") }
}

fn throttled(retry_after: u64) -> Failure {
    Failure { retry_after: Some(secs(retry_after)), ..failure(Class::Throttled) }
}

fn notice(not_before: u64, spread: u64) -> Event {
    Event::Asked(Trigger::Notice { not_before: secs(not_before), spread: secs(spread), reason: "drain".into() })
}

fn person(reset: bool) -> Event {
    Event::Asked(Trigger::Person { reset })
}

/// A machine and its clock.
struct Device {
    machine: Machine,
    start: Instant,
    now: Instant,
}

impl Device {
    fn new(known: Known) -> Self {
        Self::with(Policy::default(), known)
    }

    fn with(policy: Policy, known: Known) -> Self {
        Self::seeded(policy, known, 7)
    }

    fn seeded(policy: Policy, known: Known, seed: u64) -> Self {
        let start = Instant::now();
        Self { machine: Machine::new(policy, known, "v1".into(), seed, start), start, now: start }
    }

    /// On its hub, without anything left to do.
    fn on_hub(policy: Policy) -> Self {
        let mut device = Self::with(policy, proven("a:1"));
        assert_eq!(device.acts(), [Action::Connect(assignment("a:1"))]);
        device.told(Event::Connected);
        assert_eq!(device.acts(), []);
        device
    }

    fn told(&mut self, event: Event) {
        self.machine.on(event, self.now);
    }

    fn hub_fails(&mut self, class: Class) {
        self.told(Event::HubFailed(failure(class)));
    }

    fn service_fails(&mut self, class: Class) {
        self.told(Event::ServiceFailed(failure(class)));
    }

    /// Everything that is done at this moment.
    fn acts(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.machine.next(self.now)).collect()
    }

    fn pass(&mut self, time: u64) {
        self.now += secs(time);
    }

    /// Lets time pass until something is done; how long that took.
    fn waits(&mut self) -> (Duration, Vec<Action>) {
        let wake = self.machine.wake().expect("something is planned");
        let waited = wake.saturating_duration_since(self.now);
        if let Some(before) = wake.checked_sub(Duration::from_nanos(1)).filter(|before| *before > self.now) {
            assert_eq!(self.machine.next(before), None, "nothing is done before its time");
        }
        self.now = self.now.max(wake);
        (waited, self.acts())
    }

    /// The attempt that comes next, and how long that took.
    fn tries(&mut self) -> (Duration, Action) {
        let from = self.now;
        loop {
            let (_, actions) = self.waits();
            if let Some(attempt) = actions.into_iter().find(is_attempt) {
                return (self.now - from, attempt);
            }
        }
    }

    fn age(&self) -> Duration {
        self.now - self.start
    }
}

fn is_attempt(action: &Action) -> bool {
    matches!(action, Action::Connect(_) | Action::LookUp | Action::Register { .. })
}

fn register(hub: &str) -> Action {
    Action::Register { current: Some(assignment(hub)) }
}

fn connect(hub: &str) -> Action {
    Action::Connect(assignment(hub))
}
