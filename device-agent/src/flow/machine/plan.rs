//! When which attempt is due, and why.

use std::time::{Duration, Instant};

use super::Machine;
use crate::flow::retry::{Server, Steps};
use crate::flow::{Assignment, Class};

/// A registration that is wanted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// When, as far as the reason goes. The service's back-off may make it later.
    pub due: Instant,
    pub why: String,
    /// A person waits for it: no back-off holds it up, only what the service asked for.
    pub by_person: bool,
}

/// What a look-up is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To know at start whether the saved assignment still holds.
    Start,
    /// How a pending operation came out.
    Operation,
    /// Whether the device still belongs on a hub that it cannot reach.
    Hub,
}

/// An attempt.
#[derive(Debug, Clone)]
pub enum What {
    Register,
    LookUp(Purpose),
    Connect(Assignment),
}

impl What {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::LookUp(_) => "look-up",
            Self::Connect(_) => "connect",
        }
    }
}

/// An attempt and its time.
#[derive(Debug)]
pub struct Step {
    pub what: What,
    pub due: Instant,
}

/// What keeps registrations apart that nothing failed of: a hub that refuses a device again and again which the service sends there, or
/// a service that wants to be asked again and again.
#[derive(Debug, Default)]
pub struct Pace {
    registrations: u32,
    last: Option<Instant>,
    earliest: Option<Instant>,
}

impl Pace {
    pub fn answered(&mut self, steps: Steps, rng: &mut fastrand::Rng, now: Instant) {
        self.registrations = self.registrations.saturating_add(1);
        self.last = Some(now);
        self.earliest = Some(now + steps.wait(self.registrations, rng));
    }

    /// When the last registration was answered.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }

    /// The device has been on its hub for a while: the next registration is not a repetition.
    pub fn calm_down(&mut self) {
        *self = Self::default();
    }
}

impl Machine {
    /// The attempt that comes next. Of several that are due, the one that waits longest; the service's word comes before the hub's.
    pub(super) fn upcoming(&self) -> Option<Step> {
        let steps = [self.registration(), self.look_up(), self.check(), self.connection()];
        steps.into_iter().flatten().min_by_key(|step| step.due)
    }

    fn registration(&self) -> Option<Step> {
        let plan = self.service.registration.as_ref()?;
        let not_before = match plan.by_person {
            true => self.service.server.retry_after(),
            false => self.service.server.due().max(self.service.pace.earliest),
        };
        Some(Step { what: What::Register, due: not_before.map_or(plan.due, |due| due.max(plan.due)) })
    }

    fn look_up(&self) -> Option<Step> {
        let (purpose, due) = self.service.look_up?;
        Some(self.look_up_at(purpose, due))
    }

    /// The question whether the device still belongs on its hub: while it is not there.
    fn check(&self) -> Option<Step> {
        let due = self.hub.check_at.filter(|_| !self.hub.is_connected() || self.known.candidate.is_some())?;
        Some(self.look_up_at(Purpose::Hub, due))
    }

    fn look_up_at(&self, purpose: Purpose, due: Instant) -> Step {
        Step { what: What::LookUp(purpose), due: self.service.server.due().map_or(due, |server| server.max(due)) }
    }

    fn connection(&self) -> Option<Step> {
        if self.hub.is_connected() || self.hub.on_hold {
            return None;
        }
        let step = |to: &Assignment| {
            let due = self.hub.servers.of(&to.hub).and_then(Server::due);
            // A hub that nothing is known against has been due since ever.
            Step { what: What::Connect(to.clone()), due: due.unwrap_or(self.born) }
        };
        let candidate = self.known.candidate.as_ref();
        let proven = self.known.proven.as_ref().filter(|proven| match candidate {
            Some(candidate) => !candidate.same_place(proven) && self.hub.tries_both(candidate, self.now),
            None => true,
        });
        candidate.into_iter().chain(proven).map(step).min_by_key(|step| step.due)
    }

    /// A reason in one line.
    pub(super) fn why(&self, step: &Step) -> String {
        let why = match &step.what {
            What::Register => self.service.registration.as_ref().map_or_else(String::new, |plan| plan.why.clone()),
            What::LookUp(Purpose::Start) => "whether the saved assignment still holds".into(),
            What::LookUp(Purpose::Operation) => "the service is still at the registration".into(),
            What::LookUp(Purpose::Hub) => "whether the device still belongs on a hub that it cannot reach".into(),
            What::Connect(to) if self.known.candidate.as_ref() == Some(to) => {
                format!("the new assignment to {}", to.hub)
            }
            What::Connect(to) => format!("the saved assignment to {}", to.hub),
        };
        let (name, server) = match &step.what {
            What::Connect(to) => ("hub", self.hub.servers.of(&to.hub)),
            _ => ("service", Some(&self.service.server)),
        };
        match server.and_then(|server| Some((server.class()?, server.failures()))) {
            None => why,
            Some((Class::Throttled, times)) => format!("{why}; not before the {name} allows it ({times} × throttled)"),
            Some((Class::Unavailable, times)) => {
                format!("{why}; the {name} was not available ({times} × in a row, backing off)")
            }
            Some((Class::Other, times)) => format!("{why}; the {name} refused ({times} × in a row)"),
        }
    }

    /// Wants a registration. One that is wanted already is not postponed by it.
    pub(super) fn want_registration(&mut self, due: Instant, why: String) {
        self.plan_registration(Plan { due, why, by_person: false });
    }

    pub(super) fn plan_registration(&mut self, plan: Plan) {
        match &mut self.service.registration {
            Some(wanted) if wanted.by_person && !plan.by_person => {}
            Some(wanted) if wanted.due <= plan.due && !plan.by_person => {}
            wanted => *wanted = Some(plan),
        }
    }

    /// How long a hub may be out of reach, this time.
    pub(super) fn patience(&mut self) -> Duration {
        let patience = self.policy.patience.clamp(self.steps().first(), crate::flow::retry::DAY);
        patience + crate::flow::retry::part_of(patience / 2, &mut self.rng)
    }
}
