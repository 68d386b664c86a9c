//! MQTT 3.1.1 and 5 between bytes and our own packet types, without any I/O.
//!
//! rumqttd's codecs do the reading and writing. They trust their peer more than a server may: they
//! swallow frames, skip flag bits, panic on packets that only a server sends, and panic when a
//! packet of one version is written in the other. So every inbound frame is walked by the guard
//! first ([`Decoder`]), and every outbound one is mapped to what its version knows ([`Encoder`]).
//!
//! ```text
//! bytes -> frame (size, type, flags) -> guard (structure, text, properties) -> rumqttd -> Packet
//! Reply -> limits, names and codes of the version -> rumqttd -> bytes
//! ```

mod decode;
mod encode;
mod error;
mod frame;
mod guard;
mod packet;
mod properties;
mod reason;
mod reply;
pub mod text;

#[cfg(test)]
mod tests;

pub use decode::Decoder;
pub use encode::{Encoder, encode};
pub use error::{DecodeError, DecodeReason, EncodeError};
pub use packet::{
    Ack, Connect, ConnectProperties, Disconnect, Filter, Packet, Publish, PublishProperties, QoS, RetainHandling,
    Subscribe, Unsubscribe, UserProperties, Will,
};
pub use reason::{AckReason, ConnectReason, DisconnectReason, SubscribeReason, UnsubscribeReason};
pub use reply::{AckReply, ConnAck, ConnAckProperties, DisconnectReply, Problem, Reply, SubAck, UnsubAck};

/// The protocol versions that the front door speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}
