//! Refusals in the log: as many as people read. A program that makes the same mistake all the time must not fill the disk with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many are told in that time; further ones are counted.
const MOST: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// How many were told. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Complaints(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Complaints {
    /// One more. If it is to be told: with the number of those before it that were not.
    pub fn count(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.since.is_none_or(|since| now >= since + PERIOD) {
            (told.since, told.told) = (Some(now), 0);
        }
        if told.told == MOST {
            told.untold += 1;
            return None;
        }
        told.told += 1;
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_minute_are_told_and_the_next_minute_says_how_many_were_not() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        let told: Vec<_> = (0..MOST + 5).map(|_| complaints.count(now)).collect();
        assert_eq!(told.iter().flatten().count(), MOST as usize);
        assert_eq!(complaints.count(now + PERIOD), Some(5));
        assert_eq!(complaints.count(now + PERIOD), Some(0));
    }
}
