//! A world around a machine: servers, persons and a clock, and who watches that the rules hold.

use super::*;

pub const HUBS: [&str; 4] = ["a.hubs:1", "b.hubs:1", "c.hubs:1", "d.elsewhere:1"];
const SERVICE: &str = "service";

/// One step of the adversary's.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers what is under way, or else does something to the connection.
    Answer(Answer),
    Person {
        reset: bool,
    },
    Notice {
        not_before: u64,
        spread: u64,
    },
    Changed(u8),
    Policy(Policy),
    /// Lets time pass.
    Pass(u64),
    /// Lets the time pass until something is due.
    Wait,
    /// An answer to what was not asked.
    Stray(u8),
}

#[derive(Debug, Clone)]
pub enum Answer {
    Good { hub: usize, etag: u64, reset: bool },
    Pending(u64),
    Failed { class: Class, retry_after: Option<u64>, register: bool, instead: Option<usize> },
}

/// Plays the world around a machine, and watches that the rules hold.
pub struct World {
    machine: Machine,
    pub now: Instant,
    pub under_way: Option<Action>,
    pub on_hub: Option<Assignment>,
    /// What the last `Save` said, or the start.
    saved: Known,
    /// Until when each server must not be asked: whoever asks, and unless a person asks.
    silent: Vec<(String, Instant, Instant)>,
    person: bool,
    attempts: Vec<Instant>,
}

impl World {
    pub fn new(policy: Policy, known: Known, seed: u64) -> Self {
        let now = Instant::now();
        let machine = Machine::new(policy, known.clone(), "v1".into(), seed, now);
        Self {
            machine,
            now,
            under_way: None,
            on_hub: None,
            saved: known,
            silent: Vec::new(),
            person: false,
            attempts: Vec::new(),
        }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Answer(answer) => self.answer(answer),
            Step::Person { reset } => {
                self.person = true;
                self.tell(person(*reset));
            }
            Step::Notice { not_before, spread } => self.tell(notice(*not_before, *spread)),
            Step::Changed(digest) => self.tell(Event::Changed { asked_with: format!("v{digest}") }),
            Step::Policy(policy) => self.machine.set_policy(policy.clone()),
            Step::Pass(time) => self.now += secs(*time),
            Step::Wait => self.now = self.machine.wake().map_or(self.now, |wake| wake.max(self.now)),
            Step::Stray(which) => self.stray(*which),
        }
        self.act();
    }

    fn answer(&mut self, answer: &Answer) {
        let event = match (self.under_way.take(), answer) {
            (Some(Action::Connect(to)), Answer::Failed { .. }) => self.failed(&to.hub, answer, Event::HubFailed),
            (Some(Action::Connect(to)), _) => {
                self.on_hub = Some(to.clone());
                Event::Connected
            }
            (Some(_), Answer::Failed { .. }) => self.failed(SERVICE, answer, Event::ServiceFailed),
            (Some(Action::Register { .. }), Answer::Good { .. }) => Event::Registered(told(answer)),
            (Some(Action::LookUp), Answer::Good { .. }) => Event::LookedUp(LookedUp::Assigned(told(answer))),
            (Some(Action::Register { .. }), Answer::Pending(wait)) => Event::Pending { retry_after: secs(*wait) },
            (Some(_), Answer::Pending(wait)) => Event::LookedUp(LookedUp::Assigning { retry_after: secs(*wait) }),
            (None, Answer::Failed { .. }) => match self.on_hub.take() {
                Some(at) => self.failed(&at.hub, answer, Event::HubFailed),
                None => return,
            },
            (_, _) => return,
        };
        self.tell(event);
    }

    fn failed(&mut self, server: &str, answer: &Answer, event: fn(Failure) -> Event) -> Event {
        let Answer::Failed { class, retry_after, register, instead } = answer else {
            unreachable!("asked for failures")
        };
        let asked = retry_after.map(|asked| secs(asked.min(DAY)));
        let hard = match class {
            Class::Throttled => asked.unwrap_or(secs(60)),
            _ => asked.unwrap_or_default(),
        };
        let soft = if *class == Class::Unavailable { hard.max(secs(5)) } else { hard };
        self.silent.retain(|(name, ..)| name != server);
        self.silent.push((server.to_owned(), self.now + hard, self.now + soft));
        event(Failure {
            class: *class,
            retry_after: retry_after.map(secs),
            register: *register,
            instead: instead.map(|hub| HUBS[hub].to_owned()),
            message: "x".repeat(2000),
        })
    }

    /// Something that nothing waits for.
    fn stray(&mut self, which: u8) {
        let event = match (which, &self.under_way) {
            (0, under_way) if !matches!(under_way, Some(Action::Connect(_))) => Event::Connected,
            (1, under_way) if !matches!(under_way, Some(Action::Register { .. })) => {
                Event::Registered(assignment(HUBS[0]))
            }
            (2, under_way) if !matches!(under_way, Some(Action::Register { .. })) => {
                Event::Pending { retry_after: secs(1) }
            }
            (3, under_way) if !matches!(under_way, Some(Action::LookUp)) => {
                Event::LookedUp(LookedUp::Assigned(assignment(HUBS[0])))
            }
            (4, None | Some(Action::Connect(_))) => Event::ServiceFailed(failure(Class::Other)),
            (5, under_way) if self.on_hub.is_none() && !matches!(under_way, Some(Action::Connect(_))) => {
                Event::HubFailed(failure(Class::Other))
            }
            _ => return,
        };
        self.tell(event);
    }

    fn tell(&mut self, event: Event) {
        let proves = matches!(event, Event::Connected) && self.on_hub.is_some();
        let before = self.machine.view().known.proven;
        self.machine.on(event, self.now);
        let after = self.machine.view().known.proven;
        if let Some(before) = before {
            let after = after.expect("the proven assignment is never dropped");
            let here = self.on_hub.as_ref().is_some_and(|on_hub| on_hub.same_place(&after));
            assert!(after == before || here || proves, "{after:?} took the place of {before:?} without being proven");
        }
    }

    pub fn act(&mut self) {
        let mut effects = 0;
        while let Some(action) = self.machine.next(self.now) {
            match &action {
                Action::Connect(to) => {
                    assert_eq!(self.on_hub, None, "a second connection");
                    self.attempt(&to.hub.clone(), action);
                }
                Action::LookUp | Action::Register { .. } => self.attempt(SERVICE, action),
                Action::Disconnect => assert!(self.on_hub.take().is_some(), "there is no connection to end"),
                Action::Save(known) => self.saved = known.clone(),
                Action::ForgetTwin => {}
                Action::ReadTwin => assert!(self.on_hub.is_some(), "no hub to read the twin from"),
            }
            effects += 1;
            assert!(effects < 10, "there is no end of actions");
        }
        self.check();
    }

    fn attempt(&mut self, server: &str, action: Action) {
        assert_eq!(self.under_way, None, "a second attempt");
        if let Some((_, hard, soft)) = self.silent.iter().find(|(name, ..)| name == server) {
            assert!(self.now >= *hard, "{action:?} before Retry-After");
            assert!(self.now >= *soft || self.person, "{action:?} too soon after a 5xx");
        }
        self.attempts.push(self.now);
        self.under_way = Some(action);
    }

    fn check(&self) {
        let view = self.machine.view();
        assert_eq!(view.on_hub, self.on_hub.is_some());
        assert_eq!(view.known, self.saved, "what is known is saved");
        assert!(view.failures.len() <= 8);
        assert!(view.failures.iter().all(|(_, message)| message.chars().count() <= 512));
        if self.under_way.is_some() {
            assert_eq!((view.next, self.machine.wake()), (None, None));
        } else {
            assert_eq!(view.next.map(|next| next.at), self.machine.wake());
            assert!(self.machine.wake().is_some() || self.on_hub.is_some(), "stranded");
            assert!(self.machine.wake().is_none_or(|wake| wake > self.now), "something due was not given out");
            assert!(self.machine.wake().is_none_or(|wake| wake <= self.now + secs(6 * DAY)), "no wait is for ever");
        }
    }

    pub fn most_in_an_hour(&self) -> usize {
        let ends = self.attempts.iter().map(|from| self.attempts.partition_point(|at| *at < *from + secs(3600)));
        ends.enumerate().map(|(from, end)| end - from).max().unwrap_or_default()
    }
}

fn told(answer: &Answer) -> Assignment {
    use firsthop_protocol::body::Substatus::{DeviceDataMigrated, DeviceDataReset};
    let Answer::Good { hub, etag, reset } = answer else { unreachable!("asked for good ones") };
    let substatus = Some(if *reset { DeviceDataReset } else { DeviceDataMigrated });
    Assignment { etag: Some(ETag::new(*etag)), substatus, ..assignment(HUBS[*hub]) }
}
