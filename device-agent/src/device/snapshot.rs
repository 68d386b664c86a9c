//! The device's standing as its task publishes it: with monotonic times, turned into those of the clock when somebody looks. So a clock
//! that is set after the start sets these times right, too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use firsthop_protocol::Timestamp;

use super::status::{CertificateStatus, FailureStatus, HubStatus, NextStatus, Status};
use crate::disk::OutboxState;
use crate::flow::{Assignment, State, View};

/// The device's standing.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub view: View,
    pub registration_id: Option<String>,
    pub certificate: Option<CertificateStatus>,
    pub unacknowledged_report: bool,
    /// What else went wrong, newest first.
    pub notes: VecDeque<(Instant, String)>,
}

impl Snapshot {
    pub fn status(&self, outbox: OutboxState) -> Status {
        let clock = Clock { now: Instant::now(), wall: Timestamp::now() };
        let view = &self.view;
        Status {
            state: name(view.state).to_owned(),
            since: clock.time(view.since),
            registration_id: self.registration_id.clone(),
            hub: view.known.proven.as_ref().map(hub),
            candidate: view.known.candidate.as_ref().map(hub),
            on_hub: view.on_hub,
            next: view.next.as_ref().map(|next| NextStatus {
                action: next.action.to_owned(),
                at: clock.time(next.at),
                why: next.why.clone(),
            }),
            ignored: view.ignored.clone(),
            failures: self.failures(&clock),
            certificate: self.certificate.clone(),
            unacknowledged_report: self.unacknowledged_report,
            outbox,
        }
    }
}

/// How many failures are told.
const MAX_FAILURES: usize = 8;

impl Snapshot {
    fn failures(&self, clock: &Clock) -> Vec<FailureStatus> {
        let mut all: Vec<_> = self.view.failures.iter().chain(&self.notes).collect();
        all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let told = all.into_iter().take(MAX_FAILURES);
        told.map(|(at, message)| FailureStatus { at: clock.time(*at), message: message.clone() }).collect()
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Connected => "connected",
        State::Connecting => "connecting",
        State::LookingUp => "lookingUp",
        State::Registering => "registering",
        State::Waiting => "waiting",
    }
}

fn hub(assignment: &Assignment) -> HubStatus {
    HubStatus { address: assignment.hub.clone(), device_id: assignment.device_id.to_string(), told: assignment.told }
}

/// One moment on both clocks.
struct Clock {
    now: Instant,
    wall: Timestamp,
}

impl Clock {
    fn time(&self, at: Instant) -> Timestamp {
        match at.checked_duration_since(self.now) {
            Some(ahead) => self.wall.plus(ahead),
            None => {
                let ago = self.now.saturating_duration_since(at);
                Timestamp::from_micros(self.wall.micros().saturating_sub(micros(ago)))
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_now_are_told_by_the_clock() {
        let now = Instant::now();
        let clock = Clock { now, wall: Timestamp::from_secs(1000) };
        assert_eq!(clock.time(now + Duration::from_secs(5)), Timestamp::from_secs(1005));
        assert_eq!(clock.time(now.checked_sub(Duration::from_secs(5)).unwrap()), Timestamp::from_secs(995));
    }

    #[test]
    fn a_moment_before_1970_is_1970() {
        let now = Instant::now();
        let clock = Clock { now, wall: Timestamp::from_secs(1) };
        assert_eq!(clock.time(now.checked_sub(Duration::from_secs(5)).unwrap()), Timestamp::from_secs(0));
    }
}
