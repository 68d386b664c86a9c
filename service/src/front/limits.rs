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
    /// The longest keep-alive; longer ones and 0 (none) count as this. On hubs it is 1767 seconds at most.
    #[serde(with = "firsthop_config::duration")]
    pub keep_alive: Duration,
    /// Sessions without a proven enrollment, in all.
    pub lobby_sessions: usize,
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
            lobby_sessions: 1000,
            lobby: Duration::from_secs(5),
            unread: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// Names the settings with which no device could be served.
    pub fn problems(&self) -> Vec<String> {
        let least = [
            ("handshakes", self.handshakes, 2),
            ("sessions", self.sessions, 1),
            ("sessions_per_identity", self.sessions_per_identity, 1),
            ("subscriptions", self.subscriptions, 1),
            ("in_flight", usize::from(self.in_flight), 1),
            ("packet_size", self.packet_size.as_usize(), MAX_LOBBY_PACKET),
        ];
        let short = [("time_to_connect", self.time_to_connect), ("lobby", self.lobby), ("unread", self.unread)];
        let small = least.into_iter().filter(|(_, value, least)| value < least);
        let small = small.map(|(name, value, least)| format!("limits.{name} is {value}: it must be at least {least}"));
        let short = short
            .into_iter()
            .filter(|(_, time)| time.is_zero())
            .map(|(name, _)| format!("limits.{name} is 0: no time at all"));
        let keep_alive =
            (self.keep_alive < Duration::from_secs(1)).then(|| "limits.keep_alive: it must be at least 1s".to_owned());
        small.chain(short).chain(keep_alive).collect()
    }
}

/// Largest CONNECT. A will may be in it.
pub const MAX_CONNECT: usize = 16 * 1024;
/// Largest packet of a session without a proven enrollment: a request must fit.
pub const MAX_LOBBY_PACKET: usize = firsthop_protocol::codec::MAX_REQUEST + 1024;
