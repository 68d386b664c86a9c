//! Quotas (rule D1): the generic cell rate algorithm. A quota admits a burst of its count, then one request each `per / count`.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub per: Duration,
}

/// The state of one quota. `now` is the time since any fixed point, on a clock that does not go back.
#[derive(Debug)]
pub struct Quota {
    interval: u64,
    burst: u64,
    /// When the quota is full again, in nanoseconds.
    full_at: AtomicU64,
}

impl Quota {
    pub fn new(rate: Rate) -> Self {
        let burst = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX / 4).max(1);
        Self { interval: (burst / u64::from(rate.count.get())).max(1), burst, full_at: AtomicU64::new(0) }
    }

    /// Admits one request, or says how long until the next is admitted.
    pub fn admit(&self, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX / 4);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now).saturating_add(self.interval);
            let ahead = next - now;
            if ahead > self.burst {
                return Err(Duration::from_nanos(ahead - self.burst));
            }
            match self.full_at.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }

    /// Gives back what an `admit` took, when the request then went no further.
    pub fn give_back(&self) {
        let _ = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| Some(full_at.saturating_sub(self.interval)));
    }
}

/// A wait as Retry-After: whole seconds, at least one.
pub fn whole_seconds(wait: Duration) -> u32 {
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(secs.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(count: u32, per: Duration) -> Quota {
        Quota::new(Rate { count: NonZeroU32::new(count).unwrap(), per })
    }

    #[test]
    fn a_burst_of_the_count_is_admitted_and_the_next_one_told_when() {
        let quota = quota(3, Duration::from_secs(60));
        let now = Duration::from_secs(1000);
        for _ in 0..3 {
            assert_eq!(quota.admit(now), Ok(()));
        }
        assert_eq!(quota.admit(now), Err(Duration::from_secs(20)));
        assert!(quota.admit(now + Duration::from_secs(19)).is_err());
        assert_eq!(quota.admit(now + Duration::from_secs(20)), Ok(()));
    }

    #[test]
    fn a_retry_after_is_whole_seconds_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
    }

    #[test]
    fn what_was_given_back_is_admitted_again() {
        let quota = quota(1, Duration::from_secs(60));
        assert_eq!(quota.admit(Duration::ZERO), Ok(()));
        quota.give_back();
        assert_eq!(quota.admit(Duration::ZERO), Ok(()));
        assert!(quota.admit(Duration::ZERO).is_err());
    }

    proptest! {
        #[test]
        fn who_waits_as_told_is_admitted(count in 1u32..1000, steps in proptest::collection::vec(0u64..5_000, 1..200)) {
            let quota = quota(count, Duration::from_secs(1));
            let mut now = Duration::from_secs(10);
            for step in steps {
                now += Duration::from_millis(step);
                if let Err(wait) = quota.admit(now) {
                    now += wait;
                    prop_assert_eq!(quota.admit(now), Ok(()));
                }
            }
        }

        #[test]
        fn never_more_than_twice_the_count_in_one_period(count in 1u32..50, gaps in proptest::collection::vec(0u64..100, 1..500)) {
            let quota = quota(count, Duration::from_secs(1));
            let (mut now, mut admitted) = (Duration::from_secs(5), Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if quota.admit(now).is_ok() {
                    admitted.push(now);
                }
            }
            for (at, start) in admitted.iter().enumerate() {
                let inside = admitted.iter().skip(at).take_while(|time| **time < *start + Duration::from_secs(1)).count();
                prop_assert!(inside <= 2 * count as usize, "{inside} of {count}");
            }
        }
    }
}
