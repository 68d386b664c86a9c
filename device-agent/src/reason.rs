//! MQTT's reason codes in words.

use std::fmt;

use crate::MqttVersion;

/// Why a server refused a packet or ended the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The code as sent. MQTT 3.1.1 and MQTT 5 number them differently.
    pub code: u8,
    /// The code's meaning.
    pub meaning: &'static str,
    /// The server's own words (MQTT 5 Reason String).
    pub words: Option<String>,
    /// Where the server says to connect instead (MQTT 5 Server Reference): `host:port`, unchecked.
    pub instead: Option<String>,
}

impl Reason {
    /// Longest text of a server that is kept, in characters.
    const MAX_WORDS: usize = 256;

    pub(crate) fn instead(self, instead: Option<String>) -> Self {
        Self { instead: instead.filter(|reference| reference.len() <= Self::MAX_WORDS), ..self }
    }

    pub(crate) fn of_connack(version: MqttVersion, code: u8, words: Option<String>) -> Self {
        let meaning = match (version, code) {
            // A server that knows 3.1.1 only answers an MQTT 5 CONNECT with its own code.
            (_, 1) => "unacceptable protocol version",
            (MqttVersion::V311, 2) => "client identifier rejected",
            (MqttVersion::V311, 3) => "server unavailable",
            (MqttVersion::V311, 4) => "bad user name or password",
            (MqttVersion::V311, 5) => "not authorized",
            (MqttVersion::V311, _) => UNKNOWN,
            (MqttVersion::V5, code) => meaning(code),
        };
        Self::new(code, meaning, words)
    }

    pub(crate) fn of_suback(version: MqttVersion, code: u8, words: Option<String>) -> Self {
        let meaning = if version == MqttVersion::V311 { "failure" } else { meaning(code) };
        Self::new(code, meaning, words)
    }

    pub(crate) fn of_v5(code: u8, words: Option<String>) -> Self {
        Self::new(code, meaning(code), words)
    }

    fn new(code: u8, meaning: &'static str, words: Option<String>) -> Self {
        // Peer text ends up in logs and on terminals.
        let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(Self::MAX_WORDS).collect();
        Self { code, meaning, words: words.map(clean), instead: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.meaning, self.code)?;
        match &self.words {
            Some(words) => write!(f, ", \"{words}\""),
            None => Ok(()),
        }
    }
}

const UNKNOWN: &str = "unknown reason";

/// MQTT 5, table 2-6.
fn meaning(code: u8) -> &'static str {
    match code {
        0x00 => "success",
        0x10 => "no matching subscribers",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x84 => "unsupported protocol version",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8A => "banned",
        0x8B => "server shutting down",
        0x8C => "bad authentication method",
        0x8D => "keep alive timeout",
        0x8E => "session taken over",
        0x8F => "topic filter invalid",
        0x90 => "topic name invalid",
        0x91 => "packet identifier in use",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias invalid",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9A => "retain not supported",
        0x9B => "QoS not supported",
        0x9C => "use another server",
        0x9D => "server moved",
        0x9E => "shared subscriptions not supported",
        0x9F => "connection rate exceeded",
        0xA0 => "maximum connect time",
        0xA1 => "subscription identifiers not supported",
        0xA2 => "wildcard subscriptions not supported",
        _ => UNKNOWN,
    }
}
