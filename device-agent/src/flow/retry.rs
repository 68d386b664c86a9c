//! When a server may be asked again: exponential back-off with full jitter, and Retry-After.
//!
//! | the last answer | the next attempt |
//! |---|---|
//! | throttled | never before Retry-After (a minute where none was given); a random part of the back-off's step comes on top, so that a storm drains |
//! | unavailable, refused | between the shortest wait and the back-off's step, at random; the step doubles with each failure, up to the cap |

use std::time::{Duration, Instant};

use super::{Class, Failure, Policy};

/// The longest time that anybody can make the device wait: what is longer is a mistake, or worse.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Rule D3: never sooner after a 5xx, whatever was configured.
const SHORTEST: Duration = Duration::from_secs(5);
/// What a 429 without a Retry-After means.
const THROTTLED: Duration = Duration::from_secs(60);
/// A Retry-After of less is none.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Servers whose back-off is remembered.
const MAX_SERVERS: usize = 16;

/// The steps of a back-off.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    first: Duration,
    longest: Duration,
}

impl Steps {
    pub fn of(policy: &Policy) -> Self {
        let first = policy.first_wait.clamp(SHORTEST, DAY);
        Self { first, longest: policy.longest_wait.clamp(first, DAY) }
    }

    pub fn first(self) -> Duration {
        self.first
    }

    /// The step after so many failures: twice the shortest wait after the first one, so that there is something to choose from.
    fn step(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.min(20)).min(self.longest)
    }

    /// The wait after so many failures.
    pub fn wait(self, failures: u32, rng: &mut fastrand::Rng) -> Duration {
        self.first + part_of(self.step(failures) - self.first, rng)
    }
}

/// A random part of a time.
pub fn part_of(time: Duration, rng: &mut fastrand::Rng) -> Duration {
    time.mul_f64(rng.f64())
}

/// One server's back-off.
#[derive(Debug, Clone, Default)]
pub struct Server {
    failures: u32,
    class: Option<Class>,
    /// What the server asked for itself. Nobody goes below it.
    retry_after: Option<Instant>,
    /// When the back-off ends.
    backed_off: Option<Instant>,
    /// When to ask again: the end of the back-off, or of a longer sleep.
    due: Option<Instant>,
}

impl Server {
    pub fn failed(&mut self, failure: &Failure, steps: Steps, rng: &mut fastrand::Rng, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.class = Some(failure.class);
        let asked = match (failure.class, failure.retry_after) {
            (Class::Throttled, None) => Some(THROTTLED),
            (_, asked) => asked.map(|asked| asked.clamp(LEAST_RETRY_AFTER, DAY)),
        };
        let on_top = part_of(steps.step(self.failures), rng);
        let wait = match (failure.class, asked) {
            (Class::Throttled, Some(asked)) => asked + on_top,
            (_, Some(asked)) => steps.wait(self.failures, rng).max(asked + on_top),
            (_, None) => steps.wait(self.failures, rng),
        };
        self.retry_after = self.retry_after.max(asked.map(|asked| now + asked));
        self.backed_off = Some(now + wait).max(self.retry_after);
        self.due = self.backed_off;
    }

    /// After a refusal for good: nothing before that much time has passed, unless something changes.
    pub fn sleep(&mut self, sleep: Duration, now: Instant) {
        self.due = self.due.max(Some(now + sleep));
    }

    /// Something has changed, so a refusal may not hold any more. The back-off does.
    pub fn wake_up(&mut self) {
        if self.class == Some(Class::Other) {
            self.due = self.backed_off;
        }
    }

    /// What was refused is asked anew: only what the server asked for holds.
    pub fn forgive_refusal(&mut self) {
        if self.class == Some(Class::Other) {
            self.forgive();
        }
    }

    /// A person wants it now: only what the server asked for holds.
    pub fn forgive(&mut self) {
        self.due = self.retry_after;
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn class(&self) -> Option<Class> {
        self.class
    }

    /// `None`: at any time.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Not before, whoever asks. `None`: at any time.
    pub fn retry_after(&self) -> Option<Instant> {
        self.retry_after
    }
}

/// The back-off of several servers, each by its `host:port`. Remembered beyond an assignment: a device that is sent back to a hub still
/// owes it the wait.
#[derive(Debug, Default)]
pub struct Servers(Vec<(String, Server)>);

impl Servers {
    pub fn of(&self, address: &str) -> Option<&Server> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(address)).map(|(_, server)| server)
    }

    /// The server; the one whose wait ends first is forgotten for it, where there are too many.
    pub fn of_mut(&mut self, address: &str) -> &mut Server {
        let at = match self.0.iter().position(|(known, _)| known.eq_ignore_ascii_case(address)) {
            Some(at) => at,
            None => {
                if self.0.len() >= MAX_SERVERS
                    && let Some(at) = (0..self.0.len()).min_by_key(|at| self.0[*at].1.due)
                {
                    self.0.swap_remove(at);
                }
                self.0.push((address.to_owned(), Server::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

    fn failure(class: Class, retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure { class, retry_after, register: false, instead: None, message: String::new() }
    }

    #[test]
    fn the_back_off_is_at_least_the_shortest_wait_and_at_most_its_step() {
        let mut rng = fastrand::Rng::with_seed(1);
        for failures in 1..40 {
            let limit = Duration::from_secs(5).saturating_mul(1 << failures.min(20)).min(Duration::from_secs(300));
            for _ in 0..50 {
                let wait = STEPS.wait(failures, &mut rng);
                assert!(wait >= Duration::from_secs(5) && wait <= limit, "{failures}: {wait:?}");
            }
        }
    }

    #[test]
    fn a_policy_of_shorter_waits_than_the_rule_is_not_followed() {
        let steps =
            Steps::of(&Policy { first_wait: Duration::ZERO, longest_wait: Duration::ZERO, ..Policy::default() });
        assert_eq!(steps.wait(9, &mut fastrand::Rng::with_seed(1)), Duration::from_secs(5));
    }

    #[test]
    fn a_retry_after_of_years_is_a_day() {
        let (mut server, now) = (Server::default(), Instant::now());
        server.failed(&failure(Class::Throttled, Some(u64::MAX)), STEPS, &mut fastrand::Rng::with_seed(1), now);
        assert_eq!(server.retry_after(), Some(now + DAY));
    }

    #[test]
    fn the_jitter_on_top_of_retry_after_grows_with_each_429() {
        let now = Instant::now();
        let most = |repeats: u32| {
            let waits = (0..200).map(|seed| {
                let (mut server, mut rng) = (Server::default(), fastrand::Rng::with_seed(seed));
                for _ in 0..repeats {
                    server.failed(&failure(Class::Throttled, Some(30)), STEPS, &mut rng, now);
                }
                server.due().unwrap() - now
            });
            waits.max().unwrap()
        };
        assert!(most(1) <= Duration::from_secs(40));
        assert!(most(4) > Duration::from_secs(60));
    }

    #[test]
    fn the_server_whose_wait_ends_first_is_forgotten_for_a_new_one() {
        let (mut servers, mut rng, now) = (Servers::default(), fastrand::Rng::with_seed(1), Instant::now());
        for at in 0..100 {
            let wait = failure(Class::Throttled, Some(100 * (100 - at)));
            servers.of_mut(&format!("hub-{at}:1")).failed(&wait, STEPS, &mut rng, now);
        }
        assert_eq!(servers.0.len(), MAX_SERVERS);
        assert!(servers.of("HUB-0:1").is_some());
    }
}
