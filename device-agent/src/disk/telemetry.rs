//! One message of telemetry.

use firsthop_protocol::Timestamp;

/// The place of a message in the outbox: later messages have larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// A message to back ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Its property bag, url-encoded as it stands in the topic; empty for none.
    pub properties: String,
    /// Its body, at most [`Telemetry::MAX_BODY`] bytes.
    pub body: Vec<u8>,
    /// When it was handed in, by the device's own clock.
    pub at: Timestamp,
}

impl Telemetry {
    /// The largest body, so that a packet with it stays below the 256 KiB that a hub takes.
    pub const MAX_BODY: usize = 240 * 1024;

    /// What it counts for in the outbox: the bytes of its properties and its body.
    pub(super) fn len(&self) -> usize {
        self.properties.len() + self.body.len()
    }
}
