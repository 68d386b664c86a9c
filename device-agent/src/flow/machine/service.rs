//! The service's side: what follows from its answers and failures (rule D4).
//!
//! | the service | what follows |
//! |---|---|
//! | assigned | the hub, as a candidate where it is another one |
//! | pending, assigning | a look-up, after the wait that it asked for |
//! | throttled, unavailable | the service again, after its wait |
//! | a look-up's `reregister` | register |
//! | any other error | a long sleep; persons, notices and another question end it |
//!
//! Whatever it is, a device that has an assignment goes to its hub, or stays there.

use std::time::{Duration, Instant};

use super::Machine;
use super::plan::{Pace, Plan, Purpose};
use crate::flow::retry::{DAY, Server, part_of};
use crate::flow::{Assignment, Class, Failure, LookedUp};

/// The shortest wait for an operation, and the first step of the waits for one that takes long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Doublings of that step.
const MAX_DOUBLINGS: u32 = 6;

/// What the machine remembers of the service.
#[derive(Debug, Default)]
pub struct ServiceSide {
    pub server: Server,
    pub pace: Pace,
    /// A registration that is wanted.
    pub registration: Option<Plan>,
    /// A look-up that is wanted, but for those that a hub out of reach causes.
    pub look_up: Option<(Purpose, Instant)>,
    operation: Option<Operation>,
    looks: u32,
    /// A person wants to begin anew, by the next registration. What is known says so, too, until that one is answered.
    pub reset_asked: bool,
}

/// A registration that the service is still at.
#[derive(Debug)]
struct Operation {
    asked_with: String,
    reset: bool,
    by_person: bool,
}

impl Machine {
    pub(super) fn registered(&mut self, told: Assignment, plan: Plan, asked_with: String, reset: bool) {
        self.pace_registrations();
        let reset = self.takes_over(reset);
        self.registration_is_over(Operation { asked_with, reset, by_person: plan.by_person }, told);
    }

    /// The service is still at it.
    pub(super) fn pending(&mut self, retry_after: Duration, plan: Plan, asked_with: String, reset: bool) {
        self.pace_registrations();
        let reset = self.takes_over(reset);
        self.service.operation = Some(Operation { asked_with, reset, by_person: plan.by_person });
        self.look_again(retry_after);
    }

    pub(super) fn looked_up(&mut self, purpose: Purpose, answer: LookedUp) {
        match (answer, self.service.operation.take()) {
            (LookedUp::Assigned(told), Some(operation)) => self.registration_is_over(operation, told),
            (LookedUp::Assigned(told), None) => {
                self.service.server.succeeded();
                // A look-up asks with nothing: the assignment is still what the device was given for what it said then.
                let asked_with = self.known.current().map_or(&self.asked_with, |current| &current.asked_with).clone();
                self.assigned(Assignment { asked_with, ..told });
                if !self.hub.is_connected() && purpose == Purpose::Hub {
                    self.hub.check_at = Some(self.now + self.patience());
                }
            }
            (LookedUp::Assigning { retry_after }, operation) => {
                self.service.operation = operation;
                self.look_again(retry_after);
            }
        }
    }

    pub(super) fn registration_failed(&mut self, plan: Plan, reset: bool, failure: Failure) {
        self.service_failed(&failure);
        self.service.reset_asked |= reset;
        // Wanted as before, when the service's back-off or sleep is over.
        self.want_registration(plan.due, plan.why);
    }

    pub(super) fn look_up_failed(&mut self, purpose: Purpose, failure: Failure) {
        if failure.register && failure.class == Class::Other {
            self.remember(&failure);
            self.service.server.succeeded();
            if failure.retry_after.is_some() {
                let steps = self.steps();
                self.service.server.failed(&failure, steps, &mut self.rng, self.now);
            }
            self.service.look_up = None;
            let reset = self.service.operation.take().is_some_and(|operation| operation.reset);
            self.service.reset_asked |= reset;
            self.hub.on_hold = true;
            // Nothing keeps the service from sending a device round and round but the growing wait for operations.
            let due = self.now + part_of(self.steps().first(), &mut self.rng);
            self.want_registration(due, "the service does not know the device".into());
            return;
        }
        self.service_failed(&failure);
        match (purpose, failure.class) {
            // The hub is asked instead.
            (Purpose::Start, _) => {}
            (Purpose::Operation, Class::Throttled | Class::Unavailable) => {
                self.service.look_up = Some((Purpose::Operation, self.now));
            }
            (Purpose::Operation, Class::Other) => {
                let reset = self.service.operation.take().is_some_and(|operation| operation.reset);
                self.service.reset_asked |= reset;
                self.want_registration(self.now, "a registration did not come to its end".into());
            }
            (Purpose::Hub, _) => self.hub.check_at = Some(self.now + self.patience()),
        }
    }

    /// A registration takes the place of one that the service was still at, and of the wish to begin anew that was said with that.
    fn takes_over(&mut self, reset: bool) -> bool {
        self.service.operation.take().is_some_and(|before| before.reset) || reset
    }

    /// One more registration was answered.
    fn pace_registrations(&mut self) {
        let steps = self.steps();
        self.service.pace.answered(steps, &mut self.rng, self.now);
    }

    /// The final answer to a registration, direct or by a look-up.
    fn registration_is_over(&mut self, operation: Operation, told: Assignment) {
        self.service.server.succeeded();
        self.service.look_up = None;
        self.service.looks = 0;
        if operation.reset {
            self.known.reset_due = true;
            // Somebody may have asked once more meanwhile.
            self.known.reset_asked = self.service.reset_asked;
            self.save();
        }
        self.ignored = None;
        self.end_of_references();
        if operation.by_person {
            self.forgive_hub(&told);
        }
        self.assigned(Assignment { asked_with: operation.asked_with, ..told });
        self.judge_question();
    }

    fn look_again(&mut self, retry_after: Duration) {
        self.service.server.succeeded();
        // A hub that refused may take the device again meanwhile; it has waits of its own.
        self.hub.on_hold = false;
        let step = LOOK_AGAIN * (1 << self.service.looks.min(MAX_DOUBLINGS));
        self.service.looks = self.service.looks.saturating_add(1);
        let wait = retry_after.clamp(step, DAY) + part_of(step, &mut self.rng);
        self.service.look_up = Some((Purpose::Operation, self.now + wait));
    }

    fn service_failed(&mut self, failure: &Failure) {
        self.remember(failure);
        self.hub.on_hold = false;
        let steps = self.steps();
        self.service.server.failed(failure, steps, &mut self.rng, self.now);
        if failure.class == Class::Other {
            let sleep = self.policy.refused_wait.min(DAY);
            let sleep = sleep / 2 + part_of(sleep, &mut self.rng);
            self.service.server.sleep(sleep, self.now);
        }
    }
}
