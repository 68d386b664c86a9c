//! When a hub may be asked again that could not take a request: as rule D3 has it for connections.

use std::time::Duration;

use tokio::time::Instant;

use crate::flow::{Class, Failure, Policy, Server, Steps};

#[derive(Debug)]
pub(super) struct Pace {
    server: Server,
    steps: Steps,
    until: Option<Instant>,
}

impl Pace {
    pub fn new(policy: &Policy) -> Self {
        Self { server: Server::default(), steps: Steps::of(policy), until: None }
    }

    /// The wait that follows a failure.
    pub fn failed(&mut self, failure: &Failure, now: Instant) -> Duration {
        // A hub that keeps the connection and names no time is backed off from, as one that is busy.
        let unavailable = Failure { class: Class::Unavailable, ..failure.clone() };
        let failure = if failure.retry_after.is_none() { &unavailable } else { failure };
        self.server.failed(failure, self.steps, &mut fastrand::Rng::new(), now.into_std());
        self.until = self.server.due().map(Instant::from_std);
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    pub fn succeeded(&mut self) {
        self.server.succeeded();
    }

    /// Whether the wait, if there is one, is over.
    pub fn allows(&mut self, now: Instant) -> bool {
        self.until = self.until.filter(|until| now < *until);
        self.until.is_none()
    }

    /// When it is over.
    pub fn wake(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class, retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure { class, retry_after, register: false, instead: None, message: String::new() }
    }

    #[test]
    fn a_retry_after_longer_than_the_longest_back_off_is_waited_for() {
        let (mut pace, now) = (Pace::new(&Policy::default()), Instant::now());
        assert!(pace.failed(&failure(Class::Throttled, Some(3600)), now) >= Duration::from_secs(3600));
        assert!(!pace.allows(now + Duration::from_secs(3599)));
    }

    #[test]
    fn devices_whose_hub_is_away_for_all_of_them_ask_again_at_different_times() {
        let now = Instant::now();
        let waits: std::collections::BTreeSet<_> = (0..50)
            .map(|_| {
                let mut pace = Pace::new(&Policy::default());
                pace.failed(&failure(Class::Unavailable, None), now);
                pace.failed(&failure(Class::Unavailable, None), now)
            })
            .collect();
        assert!(waits.len() > 40);
        assert!(waits.first().is_some_and(|wait| *wait >= Duration::from_secs(5)));
    }

    #[test]
    fn a_wait_that_is_over_is_not_woken_up_for() {
        let (mut pace, now) = (Pace::new(&Policy::default()), Instant::now());
        let wait = pace.failed(&failure(Class::Unavailable, None), now);
        assert_eq!(pace.wake(), Some(now + wait));
        assert!(pace.allows(now + wait));
        assert_eq!(pace.wake(), None);
    }
}
