//! The outcome of a SUBSCRIBE or UNSUBSCRIBE, filter by filter.

use rumqttd::protocol as wire;

use crate::front::codec::{QoS, Version};

/// What became of one filter of a SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscribeReason {
    Granted(QoS),
    UnspecifiedError,
    ImplementationSpecificError,
    NotAuthorized,
    TopicFilterInvalid,
    PacketIdentifierInUse,
    QuotaExceeded,
    SharedSubscriptionsNotSupported,
    SubscriptionIdentifiersNotSupported,
    WildcardSubscriptionsNotSupported,
}

impl SubscribeReason {
    /// The byte on the wire; 3.1.1 knows one failure.
    pub fn code(self, version: Version) -> u8 {
        match (self, version) {
            (Self::Granted(qos), _) => qos as u8,
            (_, Version::V311) => 0x80,
            (Self::UnspecifiedError, Version::V5) => 0x80,
            (Self::ImplementationSpecificError, Version::V5) => 0x83,
            (Self::NotAuthorized, Version::V5) => 0x87,
            (Self::TopicFilterInvalid, Version::V5) => 0x8f,
            (Self::PacketIdentifierInUse, Version::V5) => 0x91,
            (Self::QuotaExceeded, Version::V5) => 0x97,
            (Self::SharedSubscriptionsNotSupported, Version::V5) => 0x9e,
            (Self::SubscriptionIdentifiersNotSupported, Version::V5) => 0xa1,
            (Self::WildcardSubscriptionsNotSupported, Version::V5) => 0xa2,
        }
    }

    pub(in crate::front::codec) fn to_wire(self, version: Version) -> wire::SubscribeReasonCode {
        match (self, version) {
            (Self::Granted(qos), _) => wire::SubscribeReasonCode::Success(qos.to_wire()),
            (_, Version::V311) => wire::SubscribeReasonCode::Failure,
            (Self::UnspecifiedError, Version::V5) => wire::SubscribeReasonCode::Unspecified,
            (Self::ImplementationSpecificError, Version::V5) => wire::SubscribeReasonCode::ImplementationSpecific,
            (Self::NotAuthorized, Version::V5) => wire::SubscribeReasonCode::NotAuthorized,
            (Self::TopicFilterInvalid, Version::V5) => wire::SubscribeReasonCode::TopicFilterInvalid,
            (Self::PacketIdentifierInUse, Version::V5) => wire::SubscribeReasonCode::PkidInUse,
            (Self::QuotaExceeded, Version::V5) => wire::SubscribeReasonCode::QuotaExceeded,
            (Self::SharedSubscriptionsNotSupported, Version::V5) => {
                wire::SubscribeReasonCode::SharedSubscriptionsNotSupported
            }
            (Self::SubscriptionIdentifiersNotSupported, Version::V5) => {
                wire::SubscribeReasonCode::SubscriptionIdNotSupported
            }
            (Self::WildcardSubscriptionsNotSupported, Version::V5) => {
                wire::SubscribeReasonCode::WildcardSubscriptionsNotSupported
            }
        }
    }
}

/// What became of one filter of an UNSUBSCRIBE; 3.1.1 does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnsubscribeReason {
    Success,
    NoSubscriptionExisted,
    UnspecifiedError,
    ImplementationSpecificError,
    NotAuthorized,
    TopicFilterInvalid,
    PacketIdentifierInUse,
}

impl UnsubscribeReason {
    /// The byte on the wire of MQTT 5.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0x00,
            Self::NoSubscriptionExisted => 0x11,
            Self::UnspecifiedError => 0x80,
            Self::ImplementationSpecificError => 0x83,
            Self::NotAuthorized => 0x87,
            Self::TopicFilterInvalid => 0x8f,
            Self::PacketIdentifierInUse => 0x91,
        }
    }

    pub(in crate::front::codec) fn to_wire(self) -> wire::UnsubAckReason {
        match self {
            Self::Success => wire::UnsubAckReason::Success,
            Self::NoSubscriptionExisted => wire::UnsubAckReason::NoSubscriptionExisted,
            Self::UnspecifiedError => wire::UnsubAckReason::UnspecifiedError,
            Self::ImplementationSpecificError => wire::UnsubAckReason::ImplementationSpecificError,
            Self::NotAuthorized => wire::UnsubAckReason::NotAuthorized,
            Self::TopicFilterInvalid => wire::UnsubAckReason::TopicFilterInvalid,
            Self::PacketIdentifierInUse => wire::UnsubAckReason::PacketIdentifierInUse,
        }
    }
}
