//! Why an attempt failed, as far as it matters for what comes next.

use std::time::Duration;

/// The three classes of rules D3 and D4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 429: not before its Retry-After.
    Throttled,
    /// 5xx, and whatever keeps a server from answering: again, with exponential back-off, at least five seconds later.
    Unavailable,
    /// Any other error. Of a hub: register again. Of the service: a long sleep.
    Other,
}

/// A failed attempt, or the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What follows from it.
    pub class: Class,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// The service says that registering will help (`action: reregister`, a look-up's 404).
    pub register: bool,
    /// Where the server said to connect instead: `host:port`, unchecked.
    pub instead: Option<String>,
    /// For people: one line.
    pub message: String,
}
