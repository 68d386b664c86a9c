//! What the bus may take.

use firsthop_config::Size;
use serde::Deserialize;

use super::BusError;

/// Limits of ordinary publish and subscribe.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sessions that may have subscriptions at the same time.
    pub links: usize,
    /// Subscriptions of one session.
    pub filters_per_link: usize,
    /// Different topic filters in use at the same time, of all sessions.
    pub filters: usize,
    /// What is kept per filter for subscribers that read slowly. Who falls further behind misses messages.
    pub log_size: Size,
    /// Messages that wait for the router; publishers wait when there are more.
    pub waiting: usize,
    /// Retained messages.
    pub retained: usize,
    /// Bytes of retained messages, with their topics.
    pub retained_size: Size,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            links: 10_000,
            filters_per_link: 32,
            filters: 1_000,
            log_size: Size::kib(128),
            waiting: 1_000,
            retained: 10_000,
            retained_size: Size::mib(16),
        }
    }
}

/// The router keeps its log in this many pieces and drops the oldest as a whole.
const SEGMENTS: usize = 4;
/// The router panics on smaller pieces.
const MIN_SEGMENT: usize = 1024;
/// Messages the router takes from a filter's log at once.
const BATCH: u64 = 100;

impl Config {
    /// Refuses what could never work.
    pub fn check(&self) -> Result<(), BusError> {
        for (value, why) in [
            (self.links, "bus.links is 0: nobody could subscribe"),
            (self.filters, "bus.filters is 0: nobody could subscribe"),
            (self.filters_per_link, "bus.filters_per_link is 0: nobody could subscribe"),
            (self.waiting, "bus.waiting is 0: nobody could publish"),
        ] {
            if value == 0 {
                return Err(BusError::Invalid(why));
            }
        }
        if self.log_size.as_usize() < SEGMENTS * MIN_SEGMENT {
            return Err(BusError::Invalid("bus.log_size is below 4KiB"));
        }
        Ok(())
    }

    pub(super) fn router(&self) -> rumqttd::RouterConfig {
        rumqttd::RouterConfig {
            // One more for the publishers' own connection.
            max_connections: self.links.saturating_add(1),
            max_outgoing_packet_count: BATCH,
            max_segment_size: (self.log_size.as_usize() / SEGMENTS).max(MIN_SEGMENT),
            max_segment_count: SEGMENTS,
            ..rumqttd::RouterConfig::default()
        }
    }
}
