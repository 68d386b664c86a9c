//! Settings of the store.

use std::num::{NonZeroU16, NonZeroU32};

use firsthop_config::Size;
use serde::Deserialize;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory for pages of the store's file, such as "64MiB". More of it spares reads from the system when many devices are registered.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_text_and_unknown_or_impossible_settings_are_refused() {
        let config: Config = serde_json::from_str(r#"{"cache_size": "1GiB", "max_batch": 64}"#).unwrap();
        assert_eq!(
            config,
            Config { cache_size: Size::mib(1024), max_batch: NonZeroU16::new(64).unwrap(), ..Config::default() }
        );
        for wrong in
            [r#"{"max_batch": 0}"#, r#"{"queue_length": 0}"#, r#"{"cache": "1GiB"}"#, r#"{"cache_size": "much"}"#]
        {
            assert!(serde_json::from_str::<Config>(wrong).is_err(), "{wrong}");
        }
    }
}
