//! From when until when a certificate counts.

use time::{Duration, OffsetDateTime};

/// How far before "now" a new certificate starts, so that a peer whose clock is a little late accepts it.
const CLOCK_SKEW: Duration = Duration::HOUR;

/// The two dates of a certificate. They are not checked against each other: a reversed pair is a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// Exactly these dates (X.509 keeps whole seconds).
    pub fn new(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Self {
        Self { not_before, not_after }
    }

    /// From an hour before `now` until `days` days after it, at most until the end of the year 9999.
    pub fn days(now: OffsetDateTime, days: u32) -> Self {
        Self { not_before: now.saturating_sub(CLOCK_SKEW), not_after: now.saturating_add(Duration::days(days.into())) }
    }

    /// Over for a day.
    pub fn expired(now: OffsetDateTime) -> Self {
        Self { not_before: now.saturating_sub(Duration::days(30)), not_after: now.saturating_sub(Duration::DAY) }
    }

    /// Begins tomorrow.
    pub fn not_yet(now: OffsetDateTime) -> Self {
        Self { not_before: now.saturating_add(Duration::DAY), not_after: now.saturating_add(Duration::days(366)) }
    }

    pub(crate) fn from_now(days: u32) -> Self {
        Self::days(OffsetDateTime::now_utc(), days)
    }
}
