//! The hub's side: which assignment to connect by, and what follows when a hub fails (rule D3).
//!
//! | the hub | what follows |
//! |---|---|
//! | throttled, unavailable | the hub again, after its wait; when it stays out of reach beyond the operator's patience, one look-up |
//! | names another hub (Server Reference) that the operator allows | connect there, without registering, a bounded number of times in a row |
//! | any other error | register; the hub is not tried again before the service has answered or failed |

use std::time::{Duration, Instant};

use super::{Attempt, Machine};
use crate::flow::retry::{DAY, Server, Servers, part_of};
use crate::flow::{Action, Assignment, Class, Failure, reference};

/// A connection that lasted that long was a good one: what failed before it does not count any more.
const STEADY: Duration = Duration::from_secs(60);
/// References that are followed in a row, before the service is asked.
const MAX_HOPS: u32 = 3;
/// Failures of a candidate in a row after which the proven assignment is tried in between.
const CANDIDATE_ALONE: u32 = 3;
/// A wait of a candidate's hub that is too long to be without one.
const LONG_WAIT: Duration = Duration::from_secs(5 * 60);
/// Doublings of the time that the device stays by the proven assignment.
const MAX_DOUBLINGS: u32 = 6;

/// What the machine remembers of hubs.
#[derive(Debug, Default)]
pub struct HubSide {
    connection: Option<Connection>,
    pub servers: Servers,
    /// The service is to answer, or fail, before a hub is tried.
    pub on_hold: bool,
    /// When to ask the service whether the device still belongs where it cannot be.
    pub check_at: Option<Instant>,
    candidate_failures: u32,
    /// How often the device went to work by the proven assignment because the candidate's hub was away.
    detours: u32,
    hops: u32,
}

#[derive(Debug)]
struct Connection {
    to: Assignment,
    since: Instant,
}

impl HubSide {
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub fn connected_since(&self) -> Option<Instant> {
        self.connection.as_ref().map(|connection| connection.since)
    }

    /// Whether the proven assignment is tried while there is a candidate.
    pub fn tries_both(&self, candidate: &Assignment, now: Instant) -> bool {
        let due = self.servers.of(&candidate.hub).and_then(Server::due);
        self.candidate_failures >= CANDIDATE_ALONE || due.is_some_and(|due| due > now + LONG_WAIT)
    }
}

impl Machine {
    /// The hub took the device. A candidate is proven by it, and only now takes the place of the proven assignment.
    pub(super) fn connected(&mut self, to: Assignment) {
        self.hub.connection = Some(Connection { to: to.clone(), since: self.now });
        if self.known.candidate.as_ref() == Some(&to) {
            self.known.candidate = None;
            self.known.proven = Some(to);
            self.hub.candidate_failures = 0;
            self.hub.detours = 0;
            self.forget_twin_if_due();
            self.save();
        } else if self.known.candidate.is_some() {
            // At work by the older assignment. Which one holds, the service knows; asking means to leave this hub for another that was
            // away, so it is asked less and less often.
            let wait = self.patience().saturating_mul(1 << self.hub.detours.min(MAX_DOUBLINGS)).min(DAY);
            self.hub.detours = self.hub.detours.saturating_add(1);
            self.hub.check_at = Some(self.now + wait);
        } else if self.forget_twin_if_due() {
            // The service confirmed the assignment as it was.
            self.save();
        }
    }

    /// The twin is dropped before anybody uses it, and before it is saved that this was done.
    fn forget_twin_if_due(&mut self) -> bool {
        let due = std::mem::take(&mut self.known.reset_due);
        if due {
            self.push_effect(Action::ForgetTwin);
        }
        due
    }

    /// The connection ended by itself.
    pub(super) fn connection_ended(&mut self, failure: Failure) {
        self.settle();
        if let Some(connection) = self.hub.connection.take() {
            self.hub_failed(connection.to, failure);
        }
    }

    /// A hub failed, while connecting or later.
    pub(super) fn hub_failed(&mut self, at: Assignment, failure: Failure) {
        self.remember(&failure);
        let steps = self.steps();
        self.hub.servers.of_mut(&at.hub).failed(&failure, steps, &mut self.rng, self.now);
        if self.known.candidate.as_ref().is_some_and(|candidate| candidate.same_place(&at)) {
            self.hub.candidate_failures = self.hub.candidate_failures.saturating_add(1);
        }
        match failure.class {
            Class::Throttled | Class::Unavailable => {
                let due = self.now + self.patience();
                self.hub.check_at.get_or_insert(due);
            }
            Class::Other => self.refused(at, failure),
        }
    }

    /// An error that is not the hub's to heal: another hub, or the service.
    fn refused(&mut self, by: Assignment, failure: Failure) {
        if let Some(instead) = self.followed(&by, failure.instead.as_deref()) {
            self.hub.hops += 1;
            self.hub.on_hold = false;
            // The machine has no clock of the day, so the assignment keeps the time of the one that it comes from.
            self.become_candidate(Assignment { hub: instead, etag: None, substatus: None, ..by });
            return;
        }
        // While the service is waited for anyway, the hub is better than nothing.
        self.hub.on_hold = self.service.server.due().is_none_or(|due| due <= self.now);
        if matches!(self.attempt, Some(Attempt::Register { .. })) {
            // The one under way answers this, too.
            self.hub.on_hold = true;
            return;
        }
        let due = self.now + part_of(self.steps().first(), &mut self.rng);
        self.want_registration(due, super::cut(&format!("{} refused the device: {}", by.hub, failure.message)));
    }

    /// The hub to go to instead, if there is one, the operator allows it, and it does not lead in circles.
    fn followed(&mut self, by: &Assignment, instead: Option<&str>) -> Option<String> {
        let instead = instead?;
        let why_not = if !reference::is_allowed(instead, &self.policy.allowed_hubs) {
            "is not among the hubs that the configuration allows"
        } else if instead.eq_ignore_ascii_case(&by.hub) {
            "is the same hub"
        } else if self.hub.hops >= MAX_HOPS {
            "comes after too many others in a row"
        } else {
            return Some(instead.to_owned());
        };
        if let Some((_, message)) = self.failures.front_mut() {
            *message = super::cut(&format!("{message}; it names {instead:?} instead, which {why_not}"));
        }
        None
    }

    /// An assignment to go to, told by the service or a hub.
    pub(super) fn become_candidate(&mut self, new: Assignment) {
        let current = self.known.current();
        if !current.is_some_and(|current| current.same_place(&new)) {
            self.hub.candidate_failures = 0;
        }
        match &self.known.proven {
            Some(proven) if proven.same_content(&new) => {
                if self.known.candidate.take().is_some() {
                    self.save();
                }
            }
            _ if current.is_some_and(|current| current.same_content(&new)) => {}
            _ => {
                self.known.candidate = Some(new);
                self.save();
            }
        }
    }

    /// The service says where the device belongs.
    pub(super) fn assigned(&mut self, new: Assignment) {
        self.hub.on_hold = false;
        self.hub.check_at = None;
        if self.is_at(&new) {
            self.confirm(new);
            return;
        }
        let server = self.hub.servers.of_mut(&new.hub);
        server.forgive_refusal();
        let due = server.due().filter(|due| *due > self.now);
        self.hub.candidate_failures = 0;
        self.become_candidate(new);
        match due {
            // That hub is to be left alone for a while, and this one is better than none.
            Some(due) if self.hub.is_connected() => self.hub.check_at = Some(due),
            _ if self.hub.connection.take().is_some() => self.push_effect(Action::Disconnect),
            _ => {}
        }
    }

    /// The assignment to the hub that the device is on, as it is now: proven already.
    fn confirm(&mut self, new: Assignment) {
        use firsthop_protocol::body::Substatus::DeviceDataReset;
        let anew = self.forget_twin_if_due();
        let held = self.known.proven.as_ref();
        let was_reset = new.substatus == Some(DeviceDataReset)
            && held.is_none_or(|held| held.substatus != new.substatus || held.etag != new.etag);
        if anew || self.known.candidate.is_some() || !held.is_some_and(|held| held.same_content(&new)) {
            if let Some(connection) = &mut self.hub.connection {
                connection.to = new.clone();
            }
            self.known.proven = Some(new);
            self.known.candidate = None;
            self.hub.candidate_failures = 0;
            self.hub.detours = 0;
            self.save();
        }
        if anew || was_reset {
            self.push_effect(Action::ReadTwin);
        }
    }

    fn is_at(&self, place: &Assignment) -> bool {
        self.hub.connection.as_ref().is_some_and(|connection| connection.to.same_place(place))
    }

    /// A person wants things to happen now.
    pub(super) fn forgive_hub(&mut self, place: &Assignment) {
        self.hub.servers.of_mut(&place.hub).forgive();
    }

    /// The service was asked and the chain of references is over.
    pub(super) fn end_of_references(&mut self) {
        self.hub.hops = 0;
    }

    /// Once the device has been on its hub for a while, and without having to register, what was before is forgotten.
    pub(super) fn settle(&mut self) {
        let Some(connection) = &self.hub.connection else { return };
        let since = self.service.pace.last().map_or(connection.since, |last| last.max(connection.since));
        if self.now.saturating_duration_since(since) >= STEADY {
            self.hub.servers.of_mut(&connection.to.hub).succeeded();
            self.hub.hops = 0;
            self.hub.check_at = self.hub.check_at.filter(|_| self.known.candidate.is_some());
            self.service.pace.calm_down();
        }
    }
}
