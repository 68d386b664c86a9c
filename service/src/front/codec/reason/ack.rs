//! The outcome of a PUBLISH and of the steps of QoS 2.

use rumqttd::protocol as wire;

/// The outcome of a PUBLISH or of one of the steps that QoS 2 takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckReason {
    Success,
    NoMatchingSubscribers,
    UnspecifiedError,
    ImplementationSpecificError,
    NotAuthorized,
    TopicNameInvalid,
    PacketIdentifierInUse,
    /// Only in PUBREL and PUBCOMP.
    PacketIdentifierNotFound,
    QuotaExceeded,
    PayloadFormatInvalid,
}

impl AckReason {
    /// The byte on the wire of MQTT 5.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0x00,
            Self::NoMatchingSubscribers => 0x10,
            Self::UnspecifiedError => 0x80,
            Self::ImplementationSpecificError => 0x83,
            Self::NotAuthorized => 0x87,
            Self::TopicNameInvalid => 0x90,
            Self::PacketIdentifierInUse => 0x91,
            Self::PacketIdentifierNotFound => 0x92,
            Self::QuotaExceeded => 0x97,
            Self::PayloadFormatInvalid => 0x99,
        }
    }

    /// From 0x80 on the message was not taken, and a QoS 2 exchange ends here.
    pub fn is_failure(self) -> bool {
        self.code() >= 0x80
    }

    pub(in crate::front::codec) fn to_puback(self) -> wire::PubAckReason {
        match self {
            Self::Success => wire::PubAckReason::Success,
            Self::NoMatchingSubscribers => wire::PubAckReason::NoMatchingSubscribers,
            Self::ImplementationSpecificError => wire::PubAckReason::ImplementationSpecificError,
            Self::NotAuthorized => wire::PubAckReason::NotAuthorized,
            Self::TopicNameInvalid => wire::PubAckReason::TopicNameInvalid,
            Self::PacketIdentifierInUse => wire::PubAckReason::PacketIdentifierInUse,
            Self::QuotaExceeded => wire::PubAckReason::QuotaExceeded,
            Self::PayloadFormatInvalid => wire::PubAckReason::PayloadFormatInvalid,
            // "Not found" cannot be said about a PUBLISH.
            Self::UnspecifiedError | Self::PacketIdentifierNotFound => wire::PubAckReason::UnspecifiedError,
        }
    }

    pub(in crate::front::codec) fn from_puback(reason: wire::PubAckReason) -> Self {
        match reason {
            wire::PubAckReason::Success => Self::Success,
            wire::PubAckReason::NoMatchingSubscribers => Self::NoMatchingSubscribers,
            wire::PubAckReason::UnspecifiedError => Self::UnspecifiedError,
            wire::PubAckReason::ImplementationSpecificError => Self::ImplementationSpecificError,
            wire::PubAckReason::NotAuthorized => Self::NotAuthorized,
            wire::PubAckReason::TopicNameInvalid => Self::TopicNameInvalid,
            wire::PubAckReason::PacketIdentifierInUse => Self::PacketIdentifierInUse,
            wire::PubAckReason::QuotaExceeded => Self::QuotaExceeded,
            wire::PubAckReason::PayloadFormatInvalid => Self::PayloadFormatInvalid,
        }
    }

    pub(in crate::front::codec) fn to_pubrec(self) -> wire::PubRecReason {
        match self {
            Self::Success => wire::PubRecReason::Success,
            Self::NoMatchingSubscribers => wire::PubRecReason::NoMatchingSubscribers,
            Self::ImplementationSpecificError => wire::PubRecReason::ImplementationSpecificError,
            Self::NotAuthorized => wire::PubRecReason::NotAuthorized,
            Self::TopicNameInvalid => wire::PubRecReason::TopicNameInvalid,
            Self::PacketIdentifierInUse => wire::PubRecReason::PacketIdentifierInUse,
            Self::QuotaExceeded => wire::PubRecReason::QuotaExceeded,
            Self::PayloadFormatInvalid => wire::PubRecReason::PayloadFormatInvalid,
            // "Not found" cannot be said about a PUBLISH.
            Self::UnspecifiedError | Self::PacketIdentifierNotFound => wire::PubRecReason::UnspecifiedError,
        }
    }

    pub(in crate::front::codec) fn from_pubrec(reason: wire::PubRecReason) -> Self {
        match reason {
            wire::PubRecReason::Success => Self::Success,
            wire::PubRecReason::NoMatchingSubscribers => Self::NoMatchingSubscribers,
            wire::PubRecReason::UnspecifiedError => Self::UnspecifiedError,
            wire::PubRecReason::ImplementationSpecificError => Self::ImplementationSpecificError,
            wire::PubRecReason::NotAuthorized => Self::NotAuthorized,
            wire::PubRecReason::TopicNameInvalid => Self::TopicNameInvalid,
            wire::PubRecReason::PacketIdentifierInUse => Self::PacketIdentifierInUse,
            wire::PubRecReason::QuotaExceeded => Self::QuotaExceeded,
            wire::PubRecReason::PayloadFormatInvalid => Self::PayloadFormatInvalid,
        }
    }

    /// PUBREL knows two reasons; every failure is "not found" there.
    pub(in crate::front::codec) fn to_pubrel(self) -> wire::PubRelReason {
        if self.is_failure() { wire::PubRelReason::PacketIdentifierNotFound } else { wire::PubRelReason::Success }
    }

    pub(in crate::front::codec) fn from_pubrel(reason: wire::PubRelReason) -> Self {
        match reason {
            wire::PubRelReason::Success => Self::Success,
            wire::PubRelReason::PacketIdentifierNotFound => Self::PacketIdentifierNotFound,
        }
    }

    /// PUBCOMP knows two reasons; every failure is "not found" there.
    pub(in crate::front::codec) fn to_pubcomp(self) -> wire::PubCompReason {
        if self.is_failure() { wire::PubCompReason::PacketIdentifierNotFound } else { wire::PubCompReason::Success }
    }

    pub(in crate::front::codec) fn from_pubcomp(reason: wire::PubCompReason) -> Self {
        match reason {
            wire::PubCompReason::Success => Self::Success,
            wire::PubCompReason::PacketIdentifierNotFound => Self::PacketIdentifierNotFound,
        }
    }
}
