//! Who wants the device to register again: persons, the service, and the device itself when it has other things to say (rule C7).

use std::time::Duration;

use super::Machine;
use super::plan::Plan;
use crate::flow::retry::{DAY, part_of};
use crate::flow::{Mode, Trigger};

impl Machine {
    pub(super) fn asked(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Person { reset } => {
                if reset {
                    self.service.reset_asked = true;
                    self.remember_reset();
                }
                self.plan_registration(Plan { due: self.now, why: "a person asked for it".into(), by_person: true });
            }
            Trigger::Notice { reason, .. } if self.policy.mode == Mode::OnErrorOnly => {
                self.ignored = Some(super::cut(&format!("the service asked for a registration: {reason}")));
            }
            Trigger::Notice { not_before, spread, reason } => self.noticed(not_before, spread, &reason),
        }
    }

    /// What a person wants outlasts a restart.
    fn remember_reset(&mut self) {
        if !std::mem::replace(&mut self.known.reset_asked, true) {
            self.save();
        }
    }

    fn noticed(&mut self, not_before: Duration, spread: Duration, reason: &str) {
        self.settle();
        // Whoever sends it has changed something.
        self.service.server.wake_up();
        let due = self.now + not_before.min(DAY) + part_of(spread.min(DAY), &mut self.rng);
        self.want_registration(due, super::cut(&format!("the service asked for it: {reason}")));
    }

    /// The device would say something else of itself: a refusal of what it said before does not count.
    pub(super) fn changed(&mut self, asked_with: String) {
        // Also where it says the same: roots, or a key, may have been put right.
        self.service.server.wake_up();
        if asked_with == self.asked_with {
            return;
        }
        self.asked_with = asked_with;
        self.ignored = None;
        self.settle();
        self.judge_question();
    }

    /// Compares what the device would say of itself with what its assignment was given for.
    pub(super) fn judge_question(&mut self) {
        let changed = self.known.current().is_some_and(|current| current.asked_with != self.asked_with);
        let why = "what the device says of itself has changed";
        match self.policy.mode {
            _ if !changed => {}
            Mode::OnErrorOnly => self.ignored = Some(why.into()),
            Mode::Dynamic | Mode::AlwaysOnStartup => {
                let due = self.now + part_of(self.steps().first(), &mut self.rng);
                self.want_registration(due, why.into());
            }
        }
    }
}
