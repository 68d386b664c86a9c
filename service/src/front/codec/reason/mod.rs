//! Reason codes as enums of our own, each with one total mapping per version.
//!
//! rumqttd's enums mix both versions and its writers panic on the codes of the other one, so nobody
//! outside this module names them.

mod ack;
mod connect;
mod disconnect;
mod subscribe;

use rumqttd::protocol as wire;

use super::QoS;

pub use ack::AckReason;
pub use connect::ConnectReason;
pub use disconnect::DisconnectReason;
pub use subscribe::{SubscribeReason, UnsubscribeReason};

impl QoS {
    pub(in crate::front::codec) fn to_wire(self) -> wire::QoS {
        match self {
            Self::AtMostOnce => wire::QoS::AtMostOnce,
            Self::AtLeastOnce => wire::QoS::AtLeastOnce,
            Self::ExactlyOnce => wire::QoS::ExactlyOnce,
        }
    }

    pub(in crate::front::codec) fn from_wire(qos: wire::QoS) -> Self {
        match qos {
            wire::QoS::AtMostOnce => Self::AtMostOnce,
            wire::QoS::AtLeastOnce => Self::AtLeastOnce,
            wire::QoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}
