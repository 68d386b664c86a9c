//! What one client, and all of them, may take.

use std::time::Duration;

use firsthop_config::Size;
use serde::Deserialize;

/// Limits of the device port.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections between their arrival and their CONNECT, in all. One address may have half of them.
    pub handshakes: usize,
    /// Time from a connection's arrival to its complete CONNECT.
    #[serde(with = "firsthop_config::duration")]
    pub time_to_connect: Duration,
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of one identity; a further one ends the oldest.
    pub sessions_per_identity: usize,
    /// Subscriptions of one session.
    pub subscriptions: usize,
    /// Largest packet that a client may send.
    pub packet_size: Size,
    /// Messages of QoS 1 and 2 that a client may have unacknowledged, and requests it may have under way.
    pub in_flight: u16,
    /// The longest keep-alive; longer ones and 0 (none) count as this.
    #[serde(with = "firsthop_config::duration")]
    pub keep_alive: Duration,
    /// How long a session without a proven enrollment may live.
    #[serde(with = "firsthop_config::duration")]
    pub lobby: Duration,
    /// How long a client may leave what is sent to it unread.
    #[serde(with = "firsthop_config::duration")]
    pub unread: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshakes: 2048,
            time_to_connect: Duration::from_secs(10),
            sessions: 100_000,
            sessions_per_identity: 4,
            subscriptions: 32,
            packet_size: Size::kib(256),
            in_flight: 16,
            keep_alive: Duration::from_secs(30 * 60),
            lobby: Duration::from_secs(5),
            unread: Duration::from_secs(20),
        }
    }
}

/// Largest CONNECT. A will may be in it.
pub const MAX_CONNECT: usize = 16 * 1024;
/// Largest packet of a session without a proven enrollment: a request must fit.
pub const MAX_LOBBY_PACKET: usize = firsthop_protocol::codec::MAX_REQUEST + 1024;
