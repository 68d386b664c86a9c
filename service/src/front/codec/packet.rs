//! What a client may send, independent of the protocol version.
//!
//! Fields that only MQTT 5 knows sit in an optional, boxed struct: a 3.1.1 packet does not pay for them.

use bytes::Bytes;

use super::{AckReason, DisconnectReason, Version};

/// Name and value pairs, in the order of the wire; names may repeat.
pub type UserProperties = Vec<(String, String)>;

/// A packet from a client that has passed the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Connect(Box<Connect>),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    PingReq,
    Disconnect(Disconnect),
}

impl Packet {
    /// The name that the specification uses, for logs and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Publish(_) => "PUBLISH",
            Self::PubAck(_) => "PUBACK",
            Self::PubRec(_) => "PUBREC",
            Self::PubRel(_) => "PUBREL",
            Self::PubComp(_) => "PUBCOMP",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::PingReq => "PINGREQ",
            Self::Disconnect(_) => "DISCONNECT",
        }
    }
}

/// Quality of service of a message or a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS that the two bits of the wire name; 3 names none.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    pub version: Version,
    /// Empty when the client asks for one to be assigned.
    pub client_id: String,
    /// Clean session (3.1.1) or clean start (5).
    pub clean: bool,
    /// Seconds; 0 turns the keep-alive off.
    pub keep_alive: u16,
    pub user_name: Option<String>,
    /// Any bytes: MQTT does not ask for UTF-8 here.
    pub password: Option<Bytes>,
    pub will: Option<Will>,
    /// Always present for MQTT 5, never for 3.1.1.
    pub properties: Option<Box<ConnectProperties>>,
}

/// MQTT 5 properties of a CONNECT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectProperties {
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 messages the client takes unacknowledged; never 0.
    pub receive_maximum: Option<u16>,
    /// The largest packet the client takes; never 0.
    pub max_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    /// `Some(false)`: reason strings only in CONNACK and DISCONNECT.
    pub request_problem_information: Option<bool>,
    pub request_response_information: Option<bool>,
    /// Set when the client asks for enhanced authentication, which has no home here.
    pub authentication_method: Option<String>,
    pub user_properties: UserProperties,
}

/// The message that is published when the connection ends without a clean DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// MQTT 5: seconds to wait before it is published.
    pub delay_interval: u32,
    /// MQTT 5 properties that travel with the message.
    pub properties: Option<Box<PublishProperties>>,
}

/// PUBLISH, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// 0 at QoS 0, never 0 above.
    pub pkid: u16,
    pub topic: String,
    /// A slice of the read buffer when it comes from a client: copy it before keeping it for long.
    pub payload: Bytes,
    pub properties: Option<Box<PublishProperties>>,
}

/// MQTT 5 properties of a PUBLISH or a will. Topic aliases do not exist here: they are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishProperties {
    /// 1 says that the payload is UTF-8 text.
    pub payload_format_indicator: Option<u8>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    pub user_properties: UserProperties,
    /// Outbound only: the subscriptions that this delivery satisfies.
    pub subscription_identifiers: Vec<u32>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP of a client. 3.1.1 always says `Success`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub pkid: u16,
    pub reason: AckReason,
}

/// SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    pub pkid: u16,
    /// At least one.
    pub filters: Vec<Filter>,
    /// MQTT 5: sent back with each delivery that one of the filters causes; never 0.
    pub identifier: Option<u32>,
}

/// One topic filter of a SUBSCRIBE with its options; 3.1.1 has the defaults of the last three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub path: String,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// Which retained messages a SUBSCRIBE asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RetainHandling {
    #[default]
    OnEverySubscribe,
    OnNewSubscribe,
    Never,
}

/// UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    pub pkid: u16,
    /// At least one.
    pub filters: Vec<String>,
}

/// DISCONNECT of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// 3.1.1 always says `Normal`. Any other reason leaves the will in force.
    pub reason: DisconnectReason,
    pub session_expiry_interval: Option<u32>,
    pub reason_string: Option<String>,
}
