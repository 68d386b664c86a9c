//! Settings of the calls to allocation webhooks.

use std::path::PathBuf;
use std::time::Duration;

use firsthop_config::Size;
use serde::Deserialize;

/// What a call may take, and whom it trusts.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time for a call in all: waiting for its turn, connecting, and reading the whole answer.
    #[serde(with = "firsthop_config::duration")]
    pub timeout: Duration,
    /// Time to connect, as part of `timeout`.
    #[serde(with = "firsthop_config::duration")]
    pub connect_timeout: Duration,
    /// Largest answer.
    pub max_answer: Size,
    /// Calls under way, in all. One URL may have half of them, so that one that hangs does not keep the others waiting.
    pub concurrency: usize,
    /// PEM file with the CA certificates that https webhooks are verified with. Without it, those of the system.
    pub ca: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            max_answer: Size::kib(64),
            concurrency: 64,
            ca: None,
        }
    }
}

impl Config {
    /// Names the settings with which no webhook could be called.
    pub fn problems(&self) -> Vec<String> {
        let short = [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)];
        let short = short
            .into_iter()
            .filter(|(_, time)| time.is_zero())
            .map(|(name, _)| format!("webhook.{name} is 0: no time at all"));
        let long = (self.timeout > MAX_TIMEOUT).then(|| {
            format!("webhook.timeout is {:?}: a device waits meanwhile; at most {MAX_TIMEOUT:?}", self.timeout)
        });
        let none = (self.max_answer.as_u64() == 0).then(|| "webhook.max_answer is 0: no answer would fit".to_owned());
        let much = (self.max_answer > MAX_ANSWER)
            .then(|| format!("webhook.max_answer is {}: at most {MAX_ANSWER}", self.max_answer));
        let few = (self.concurrency < 2)
            .then(|| format!("webhook.concurrency is {}: it must be at least 2", self.concurrency));
        short.chain(long).chain(none).chain(much).chain(few).collect()
    }
}

/// A device waits for its registration meanwhile.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// An answer is kept in memory, with the operation.
const MAX_ANSWER: Size = Size::mib(1);
