//! The time.

use std::time::Duration;

use firsthop_protocol::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// By the calendar; may jump when it is set.
    fn now(&self) -> Timestamp;

    /// Since some fixed point, on a clock that never goes back.
    fn uptime(&self) -> Duration;
}
