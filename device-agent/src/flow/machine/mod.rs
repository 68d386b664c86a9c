//! The machine: what it remembers, and how events and times lead to actions. What follows from each event is decided in [`hub`],
//! [`service`] and [`triggers`]; when which attempt is due, in [`plan`].

mod hub;
mod plan;
mod service;
mod triggers;

use std::collections::VecDeque;
use std::time::Instant;

use self::hub::HubSide;
use self::plan::{Plan, Purpose, What};
use self::service::ServiceSide;
use super::retry::Steps;
use super::{Action, Assignment, Event, Failure, Known, Mode, Next, Policy, State, View};

/// Failures that are remembered for people.
const MAX_FAILURES: usize = 8;
/// Longest text of a failure or a reason that is kept, in characters.
const MAX_TEXT: usize = 512;

/// Decides what a device does next.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    rng: fastrand::Rng,
    known: Known,
    asked_with: String,
    hub: HubSide,
    service: ServiceSide,
    attempt: Option<Attempt>,
    /// Actions that are no attempts and wait to be given out: one of each kind at most.
    effects: VecDeque<Action>,
    ignored: Option<String>,
    failures: VecDeque<(Instant, String)>,
    state: State,
    since: Instant,
    born: Instant,
    now: Instant,
}

/// The attempt under way.
#[derive(Debug)]
enum Attempt {
    Connect(Assignment),
    LookUp(Purpose),
    Register {
        plan: Plan,
        asked_with: String,
        /// A person wants to begin anew by it.
        reset: bool,
    },
}

impl Machine {
    /// A machine at the start of the process, with what was saved. `asked_with` is the digest of what the device would say of itself;
    /// `seed` makes its waits differ from those of other devices.
    pub fn new(policy: Policy, known: Known, asked_with: String, seed: u64, now: Instant) -> Self {
        let mut machine = Self {
            policy,
            rng: fastrand::Rng::with_seed(seed),
            known,
            asked_with,
            hub: HubSide::default(),
            service: ServiceSide::default(),
            attempt: None,
            effects: VecDeque::new(),
            ignored: None,
            failures: VecDeque::new(),
            state: State::Waiting,
            since: now,
            born: now,
            now,
        };
        machine.start();
        machine
    }

    /// Takes an event. An answer that no attempt waits for changes nothing.
    pub fn on(&mut self, event: Event, now: Instant) {
        self.advance(now);
        match (event, self.attempt.take()) {
            (Event::Connected, Some(Attempt::Connect(to))) => self.connected(to),
            (Event::HubFailed(failure), Some(Attempt::Connect(to))) => self.hub_failed(to, failure),
            (Event::Registered(told), Some(Attempt::Register { plan, asked_with, reset })) => {
                self.registered(told, plan, asked_with, reset);
            }
            (Event::Pending { retry_after }, Some(Attempt::Register { plan, asked_with, reset })) => {
                self.pending(retry_after, plan, asked_with, reset);
            }
            (Event::ServiceFailed(failure), Some(Attempt::Register { plan, reset, .. })) => {
                self.registration_failed(plan, reset, failure);
            }
            (Event::LookedUp(answer), Some(Attempt::LookUp(purpose))) => self.looked_up(purpose, answer),
            (Event::ServiceFailed(failure), Some(Attempt::LookUp(purpose))) => self.look_up_failed(purpose, failure),
            (event, attempt) => {
                self.attempt = attempt;
                match event {
                    Event::HubFailed(failure) => self.connection_ended(failure),
                    Event::Asked(trigger) => self.asked(trigger),
                    Event::Changed { asked_with } => self.changed(asked_with),
                    _ => {}
                }
            }
        }
        self.never_strand();
        self.note_state();
    }

    /// The next action that is due, until there is none.
    pub fn next(&mut self, now: Instant) -> Option<Action> {
        self.advance(now);
        if let Some(effect) = self.effects.pop_front() {
            return Some(effect);
        }
        let action = match self.upcoming() {
            Some(step) if self.attempt.is_none() && step.due <= self.now => self.begin(step.what),
            _ => None,
        };
        self.note_state();
        action
    }

    /// When to ask for an action again, if no event comes before. `None`: an attempt is under way, or the device is on its hub.
    pub fn wake(&self) -> Option<Instant> {
        match &self.attempt {
            _ if !self.effects.is_empty() => Some(self.now),
            Some(_) => None,
            None => self.upcoming().map(|step| step.due),
        }
    }

    /// Takes another policy; waits that are under way stay as they are.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.ignored = None;
        self.judge_question();
    }

    /// How things stand.
    pub fn view(&self) -> View {
        let upcoming = if self.attempt.is_some() { None } else { self.upcoming() };
        View {
            state: self.state,
            on_hub: self.hub.is_connected(),
            since: self.since,
            known: self.known.clone(),
            next: upcoming.map(|step| Next { action: step.what.name(), at: step.due, why: self.why(&step) }),
            ignored: self.ignored.clone(),
            failures: self.failures.clone(),
        }
    }

    /// What is done first. The hub is not asked before the service where the service is to have the first word; when that fails, it is.
    fn start(&mut self) {
        if self.known.reset_asked {
            self.service.reset_asked = true;
            self.want_registration(self.now, "a person asked for it before the restart".into());
        }
        if self.known.current().is_none() {
            self.want_registration(self.now, "there is no assignment".into());
            return;
        }
        self.judge_question();
        if self.policy.mode == Mode::AlwaysOnStartup {
            self.want_registration(self.now, "the mode says so at each start".into());
        }
        if self.policy.look_up_first && self.service.registration.is_none() {
            self.service.look_up = Some((Purpose::Start, self.now));
        }
        if let Some(plan) = &mut self.service.registration {
            // Nothing is gained by spreading what a fleet does at its start: the registration comes before the connection.
            plan.due = self.now;
        }
        self.hub.on_hold = self.service.registration.is_some() || self.service.look_up.is_some();
    }

    /// Hands an attempt out.
    fn begin(&mut self, what: What) -> Option<Action> {
        let (attempt, action) = match what {
            What::Connect(to) => (Attempt::Connect(to.clone()), Action::Connect(to)),
            What::LookUp(purpose) => {
                match purpose {
                    Purpose::Hub => self.hub.check_at = None,
                    Purpose::Start | Purpose::Operation => self.service.look_up = None,
                }
                (Attempt::LookUp(purpose), Action::LookUp)
            }
            What::Register => {
                let plan = self.service.registration.take()?;
                let reset = std::mem::take(&mut self.service.reset_asked);
                let attempt = Attempt::Register { plan, asked_with: self.asked_with.clone(), reset };
                (attempt, Action::Register { current: self.known.current().cloned() })
            }
        };
        self.attempt = Some(attempt);
        Some(action)
    }

    /// The rule that nothing may break: there is an attempt, a connection or a time. Should a case have been forgotten, it ends here.
    fn never_strand(&mut self) {
        if self.attempt.is_some() || self.hub.is_connected() || self.upcoming().is_some() {
            return;
        }
        self.hub.on_hold = false;
        if self.known.current().is_none() {
            let due = self.now + self.steps().wait(1, &mut self.rng);
            self.want_registration(due, "there is no assignment".into());
        }
    }

    /// Time only moves forward here, whatever the caller says.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn steps(&self) -> Steps {
        Steps::of(&self.policy)
    }

    /// Adds an action that is no attempt. One that waits already is replaced: the newer one says more.
    fn push_effect(&mut self, effect: Action) {
        let kind = std::mem::discriminant(&effect);
        self.effects.retain(|waiting| std::mem::discriminant(waiting) != kind);
        self.effects.push_back(effect);
    }

    fn save(&mut self) {
        self.push_effect(Action::Save(self.known.clone()));
    }

    fn remember(&mut self, failure: &Failure) {
        self.failures.truncate(MAX_FAILURES - 1);
        self.failures.push_front((self.now, cut(&failure.message)));
    }

    fn note_state(&mut self) {
        let state = match (&self.attempt, self.hub.connected_since()) {
            (Some(Attempt::Connect(_)), _) => State::Connecting,
            (Some(Attempt::LookUp(_)), _) => State::LookingUp,
            (Some(Attempt::Register { .. }), _) => State::Registering,
            (None, Some(since)) => {
                // A question to the service in between does not make the connection younger.
                (self.state, self.since) = (State::Connected, since);
                return;
            }
            (None, None) => State::Waiting,
        };
        if state != self.state {
            (self.state, self.since) = (state, self.now);
        }
    }
}

/// One line of bounded length: it may be a server's text.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
