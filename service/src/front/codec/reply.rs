//! What the server sends, independent of the protocol version.
//!
//! A reply may carry everything MQTT 5 knows; the encoder leaves out what 3.1.1 cannot say.

use super::{AckReason, ConnectReason, DisconnectReason, Publish, SubscribeReason, UnsubscribeReason, UserProperties};

/// A packet to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    ConnAck(Box<ConnAck>),
    Publish(Publish),
    PubAck(AckReply),
    PubRec(AckReply),
    PubRel(AckReply),
    PubComp(AckReply),
    SubAck(SubAck),
    UnsubAck(UnsubAck),
    PingResp,
    /// Nothing at all in 3.1.1, whose servers just close.
    Disconnect(DisconnectReply),
}

impl Reply {
    /// The name that the specification uses, for logs and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConnAck(_) => "CONNACK",
            Self::Publish(_) => "PUBLISH",
            Self::PubAck(_) => "PUBACK",
            Self::PubRec(_) => "PUBREC",
            Self::PubRel(_) => "PUBREL",
            Self::PubComp(_) => "PUBCOMP",
            Self::SubAck(_) => "SUBACK",
            Self::UnsubAck(_) => "UNSUBACK",
            Self::PingResp => "PINGRESP",
            Self::Disconnect(_) => "DISCONNECT",
        }
    }
}

/// CONNACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    pub session_present: bool,
    pub reason: ConnectReason,
    /// MQTT 5 only.
    pub properties: ConnAckProperties,
}

impl ConnAck {
    /// A refusal: no session, and for MQTT 5 a sentence that says why.
    pub fn refused(reason: ConnectReason, text: impl Into<String>) -> Self {
        Self {
            session_present: false,
            reason,
            properties: ConnAckProperties {
                problem: Some(Box::new(Problem::because(text))),
                ..ConnAckProperties::default()
            },
        }
    }
}

/// MQTT 5 properties of a CONNACK. What is `None` is not sent and has the default of the
/// specification; there is no Topic Alias Maximum: absent means that clients may not use aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnAckProperties {
    pub session_expiry_interval: Option<u32>,
    pub receive_maximum: Option<u16>,
    /// Absent means QoS 2; only 0 and 1 may be sent.
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<bool>,
    pub max_packet_size: Option<u32>,
    pub assigned_client_id: Option<String>,
    pub wildcard_subscription_available: Option<bool>,
    pub subscription_identifiers_available: Option<bool>,
    pub shared_subscription_available: Option<bool>,
    pub server_keep_alive: Option<u16>,
    pub response_information: Option<String>,
    pub server_reference: Option<String>,
    pub problem: Option<Box<Problem>>,
}

/// What an MQTT 5 client is told beyond the reason code. Left out when the client asked for no
/// problem information or when it would make the packet larger than the client takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    pub reason_string: Option<String>,
    pub user_properties: UserProperties,
}

impl Problem {
    /// A reason string alone.
    pub fn because(text: impl Into<String>) -> Self {
        Self { reason_string: Some(text.into()), user_properties: Vec::new() }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckReply {
    pub pkid: u16,
    /// 3.1.1 cannot say it: there an acknowledgement is always a success.
    pub reason: AckReason,
    pub problem: Option<Box<Problem>>,
}

impl AckReply {
    /// Acknowledges without anything to add.
    pub fn success(pkid: u16) -> Self {
        Self { pkid, reason: AckReason::Success, problem: None }
    }
}

/// SUBACK: one reason per filter, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    pub pkid: u16,
    pub reasons: Vec<SubscribeReason>,
    pub problem: Option<Box<Problem>>,
}

/// UNSUBACK: one reason per filter, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubAck {
    pub pkid: u16,
    pub reasons: Vec<UnsubscribeReason>,
    pub problem: Option<Box<Problem>>,
}

/// DISCONNECT of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisconnectReply {
    pub reason: DisconnectReason,
    /// Where to go instead, with `UseAnotherServer` and `ServerMoved`.
    pub server_reference: Option<String>,
    pub problem: Option<Box<Problem>>,
}

impl DisconnectReply {
    /// A reason with a sentence that explains it.
    pub fn because(reason: DisconnectReason, text: impl Into<String>) -> Self {
        Self { reason, server_reference: None, problem: Some(Box::new(Problem::because(text))) }
    }
}
