//! What comes from a hub, read by its topic.

use bytes::Bytes;
use firsthop_protocol::DeviceId;
use firsthop_protocol::hub_topic::{self, Incoming as Topic, Messages};

use crate::reason::Reason;

/// Something came from the hub.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The answer to a twin request.
    Twin(TwinAnswer),
    /// A change of the desired properties.
    Desired { version: u64, patch: Bytes },
    /// A call of a direct method.
    Method { name: String, rid: String, payload: Bytes },
    /// A device-bound message. Not acknowledged yet.
    Message { packet_id: Option<u16>, properties: String, body: Bytes },
    /// The device should register again.
    Notice(Bytes),
    /// A publication of ours is acknowledged, or refused with a reason.
    Acknowledged { packet_id: u16, refused: Option<Reason> },
    /// The feed of device-bound messages is subscribed to, or refused with a reason.
    MessagesFeed { refused: Option<Reason> },
}

/// The answer to a twin request.
#[derive(Debug)]
pub(crate) struct TwinAnswer {
    pub rid: String,
    pub status: u16,
    pub body: Bytes,
}

/// Reads a publication; `None` when nothing of ours comes on that topic.
pub(crate) fn read(topic: &str, packet_id: Option<u16>, body: Bytes, device: &DeviceId) -> Option<Arrival> {
    if let Some(Messages::DeviceBound(properties)) = Messages::parse(topic, device) {
        return Some(Arrival::Message { packet_id, properties: properties.to_owned(), body });
    }
    Some(match hub_topic::incoming(topic)? {
        // The version of the reported properties is nothing that the device needs: it patches without a condition.
        Topic::TwinAnswer { status, rid, version: _ } => {
            Arrival::Twin(TwinAnswer { rid: rid.to_owned(), status, body })
        }
        Topic::Desired { version } => Arrival::Desired { version, patch: body },
        Topic::Method { name, rid } => Arrival::Method { name: name.to_owned(), rid: rid.to_owned(), payload: body },
        Topic::Notice => Arrival::Notice(body),
    })
}
