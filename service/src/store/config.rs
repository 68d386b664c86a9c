//! Settings of the store.

use std::num::{NonZeroU16, NonZeroU32};

use firsthop_config::Size;
use serde::Deserialize;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory for pages of the store's file. More of it spares reads from the system when many devices are registered.
    pub cache_size: Size,
    /// Decisions that one durable commit takes at most. Larger batches cost less per decision and make the last one in them wait longer.
    pub max_batch: NonZeroU16,
    /// Decisions that may wait for a commit. Who comes when so many wait, waits before the queue.
    pub queue_length: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_size: Size::mib(64),
            max_batch: const { NonZeroU16::new(256).unwrap() },
            queue_length: const { NonZeroU32::new(4096).unwrap() },
        }
    }
}
