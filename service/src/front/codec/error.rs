//! Why bytes were refused, and how the peer is told.

use std::fmt;

use super::{ConnectReason, DisconnectReason, Version};

/// A frame that ends its connection: what was wrong, and in which packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} {packet}: {detail}")]
pub struct DecodeError {
    pub reason: DecodeReason,
    /// Name of the packet type, or "packet" when not even that is known.
    pub packet: &'static str,
    /// What is wrong, in words for a log or a reason string; never holds peer data.
    pub detail: &'static str,
}

/// The kind of fault, which decides what an MQTT 5 peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeReason {
    /// Does not follow the format.
    Malformed,
    /// Follows the format, but may not be sent, or not here.
    ProtocolError,
    /// The fixed header announces more than the limit; its body was not read.
    TooLarge { announced: usize, limit: usize },
    /// A topic alias, which the CONNACK did not allow.
    TopicAliasInvalid,
    /// A topic name that is empty or holds a wildcard.
    TopicNameInvalid,
    /// A topic filter that is empty or misplaces a wildcard.
    TopicFilterInvalid,
    /// Another protocol or level; a CONNACK in this version's format is understood best.
    UnsupportedVersion { answer_in: Version },
}

impl fmt::Display for DecodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed"),
            Self::ProtocolError => f.write_str("protocol error in"),
            Self::TooLarge { announced, limit } => {
                write!(f, "{announced} bytes where {limit} are allowed in")
            }
            Self::TopicAliasInvalid => f.write_str("topic alias in"),
            Self::TopicNameInvalid => f.write_str("invalid topic name in"),
            Self::TopicFilterInvalid => f.write_str("invalid topic filter in"),
            Self::UnsupportedVersion { .. } => f.write_str("unsupported protocol version in"),
        }
    }
}

impl DecodeError {
    /// What a DISCONNECT to an MQTT 5 client says.
    pub fn disconnect_reason(&self) -> DisconnectReason {
        match self.reason {
            DecodeReason::Malformed => DisconnectReason::MalformedPacket,
            DecodeReason::ProtocolError | DecodeReason::UnsupportedVersion { .. } => DisconnectReason::ProtocolError,
            DecodeReason::TooLarge { .. } => DisconnectReason::PacketTooLarge,
            DecodeReason::TopicAliasInvalid => DisconnectReason::TopicAliasInvalid,
            DecodeReason::TopicNameInvalid => DisconnectReason::TopicNameInvalid,
            DecodeReason::TopicFilterInvalid => DisconnectReason::TopicFilterInvalid,
        }
    }

    /// What a CONNACK says when the refused packet was the CONNECT itself.
    pub fn connect_reason(&self) -> ConnectReason {
        match self.reason {
            DecodeReason::Malformed | DecodeReason::TopicFilterInvalid => ConnectReason::MalformedPacket,
            DecodeReason::ProtocolError | DecodeReason::TopicAliasInvalid => ConnectReason::ProtocolError,
            DecodeReason::TooLarge { .. } => ConnectReason::PacketTooLarge,
            DecodeReason::TopicNameInvalid => ConnectReason::TopicNameInvalid,
            DecodeReason::UnsupportedVersion { .. } => ConnectReason::UnsupportedProtocolVersion,
        }
    }
}

/// A reply that cannot be put on the wire; nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Larger than the client's Maximum Packet Size: a message for it is dropped, not an error.
    #[error("{packet} of {size} bytes is larger than the client's maximum packet size of {limit}")]
    TooLarge { packet: &'static str, size: usize, limit: usize },
    /// A text, a topic or correlation data above 65,535 bytes.
    #[error("{packet}: {field} of {size} bytes does not fit its 16-bit length")]
    FieldTooLong { packet: &'static str, field: &'static str, size: usize },
    /// A QoS 1 or 2 message or an acknowledgement without packet id.
    #[error("{packet}: packet id 0")]
    PacketIdZero { packet: &'static str },
    /// A SUBACK or UNSUBACK that answers no filter.
    #[error("{packet}: no reason codes")]
    NoReasons { packet: &'static str },
    /// rumqttd's writer refused it for a reason that the checks before do not know.
    #[error("{packet}: refused by the writer")]
    Refused { packet: &'static str },
}
