//! Reason codes as enums of our own, each with one total mapping per version.
//!
//! rumqttd's enums mix both versions and its writers panic on the codes of the other one, so nobody
//! outside this module names them.

use rumqttd::protocol as wire;

use super::{QoS, Version};

/// Why a CONNECT was accepted or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectReason {
    Success,
    UnspecifiedError,
    MalformedPacket,
    ProtocolError,
    ImplementationSpecificError,
    UnsupportedProtocolVersion,
    ClientIdentifierNotValid,
    BadUserNameOrPassword,
    NotAuthorized,
    ServerUnavailable,
    ServerBusy,
    Banned,
    BadAuthenticationMethod,
    TopicNameInvalid,
    PacketTooLarge,
    QuotaExceeded,
    PayloadFormatInvalid,
    RetainNotSupported,
    QoSNotSupported,
    UseAnotherServer,
    ServerMoved,
    ConnectionRateExceeded,
}

impl ConnectReason {
    /// The byte on the wire.
    pub fn code(self, version: Version) -> u8 {
        match version {
            Version::V311 => self.return_code(),
            Version::V5 => self.code_v5(),
        }
    }

    fn code_v5(self) -> u8 {
        match self {
            Self::Success => 0x00,
            Self::UnspecifiedError => 0x80,
            Self::MalformedPacket => 0x81,
            Self::ProtocolError => 0x82,
            Self::ImplementationSpecificError => 0x83,
            Self::UnsupportedProtocolVersion => 0x84,
            Self::ClientIdentifierNotValid => 0x85,
            Self::BadUserNameOrPassword => 0x86,
            Self::NotAuthorized => 0x87,
            Self::ServerUnavailable => 0x88,
            Self::ServerBusy => 0x89,
            Self::Banned => 0x8a,
            Self::BadAuthenticationMethod => 0x8c,
            Self::TopicNameInvalid => 0x90,
            Self::PacketTooLarge => 0x95,
            Self::QuotaExceeded => 0x97,
            Self::PayloadFormatInvalid => 0x99,
            Self::RetainNotSupported => 0x9a,
            Self::QoSNotSupported => 0x9b,
            Self::UseAnotherServer => 0x9c,
            Self::ServerMoved => 0x9d,
            Self::ConnectionRateExceeded => 0x9f,
        }
    }

    /// The nearest of the six return codes of 3.1.1. 3 ("unavailable") where trying again may help,
    /// 5 ("not authorised") where it will not.
    fn return_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::UnspecifiedError
            | Self::ImplementationSpecificError
            | Self::ServerUnavailable
            | Self::ServerBusy
            | Self::QuotaExceeded
            | Self::UseAnotherServer
            | Self::ConnectionRateExceeded => 3,
            Self::BadUserNameOrPassword => 4,
            Self::MalformedPacket
            | Self::ProtocolError
            | Self::NotAuthorized
            | Self::Banned
            | Self::BadAuthenticationMethod
            | Self::TopicNameInvalid
            | Self::PacketTooLarge
            | Self::PayloadFormatInvalid
            | Self::RetainNotSupported
            | Self::QoSNotSupported
            | Self::ServerMoved => 5,
        }
    }

    pub(super) fn to_wire(self, version: Version) -> wire::ConnectReturnCode {
        match version {
            Version::V311 => match self.return_code() {
                0 => wire::ConnectReturnCode::Success,
                1 => wire::ConnectReturnCode::RefusedProtocolVersion,
                2 => wire::ConnectReturnCode::ClientIdentifierNotValid,
                3 => wire::ConnectReturnCode::ServiceUnavailable,
                4 => wire::ConnectReturnCode::BadUserNamePassword,
                _ => wire::ConnectReturnCode::NotAuthorized,
            },
            Version::V5 => match self {
                Self::Success => wire::ConnectReturnCode::Success,
                Self::UnspecifiedError => wire::ConnectReturnCode::UnspecifiedError,
                Self::MalformedPacket => wire::ConnectReturnCode::MalformedPacket,
                Self::ProtocolError => wire::ConnectReturnCode::ProtocolError,
                Self::ImplementationSpecificError => {
                    wire::ConnectReturnCode::ImplementationSpecificError
                }
                Self::UnsupportedProtocolVersion => {
                    wire::ConnectReturnCode::UnsupportedProtocolVersion
                }
                Self::ClientIdentifierNotValid => wire::ConnectReturnCode::ClientIdentifierNotValid,
                Self::BadUserNameOrPassword => wire::ConnectReturnCode::BadUserNamePassword,
                Self::NotAuthorized => wire::ConnectReturnCode::NotAuthorized,
                Self::ServerUnavailable => wire::ConnectReturnCode::ServerUnavailable,
                Self::ServerBusy => wire::ConnectReturnCode::ServerBusy,
                Self::Banned => wire::ConnectReturnCode::Banned,
                Self::BadAuthenticationMethod => wire::ConnectReturnCode::BadAuthenticationMethod,
                Self::TopicNameInvalid => wire::ConnectReturnCode::TopicNameInvalid,
                Self::PacketTooLarge => wire::ConnectReturnCode::PacketTooLarge,
                Self::QuotaExceeded => wire::ConnectReturnCode::QuotaExceeded,
                Self::PayloadFormatInvalid => wire::ConnectReturnCode::PayloadFormatInvalid,
                Self::RetainNotSupported => wire::ConnectReturnCode::RetainNotSupported,
                Self::QoSNotSupported => wire::ConnectReturnCode::QoSNotSupported,
                Self::UseAnotherServer => wire::ConnectReturnCode::UseAnotherServer,
                Self::ServerMoved => wire::ConnectReturnCode::ServerMoved,
                Self::ConnectionRateExceeded => wire::ConnectReturnCode::ConnectionRateExceeded,
            },
        }
    }
}

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

    pub(super) fn to_puback(self) -> wire::PubAckReason {
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
            Self::UnspecifiedError | Self::PacketIdentifierNotFound => {
                wire::PubAckReason::UnspecifiedError
            }
        }
    }

    pub(super) fn from_puback(reason: wire::PubAckReason) -> Self {
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

    pub(super) fn to_pubrec(self) -> wire::PubRecReason {
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
            Self::UnspecifiedError | Self::PacketIdentifierNotFound => {
                wire::PubRecReason::UnspecifiedError
            }
        }
    }

    pub(super) fn from_pubrec(reason: wire::PubRecReason) -> Self {
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
    pub(super) fn to_pubrel(self) -> wire::PubRelReason {
        if self.is_failure() {
            wire::PubRelReason::PacketIdentifierNotFound
        } else {
            wire::PubRelReason::Success
        }
    }

    pub(super) fn from_pubrel(reason: wire::PubRelReason) -> Self {
        match reason {
            wire::PubRelReason::Success => Self::Success,
            wire::PubRelReason::PacketIdentifierNotFound => Self::PacketIdentifierNotFound,
        }
    }

    /// PUBCOMP knows two reasons; every failure is "not found" there.
    pub(super) fn to_pubcomp(self) -> wire::PubCompReason {
        if self.is_failure() {
            wire::PubCompReason::PacketIdentifierNotFound
        } else {
            wire::PubCompReason::Success
        }
    }

    pub(super) fn from_pubcomp(reason: wire::PubCompReason) -> Self {
        match reason {
            wire::PubCompReason::Success => Self::Success,
            wire::PubCompReason::PacketIdentifierNotFound => Self::PacketIdentifierNotFound,
        }
    }
}

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

    pub(super) fn to_wire(self, version: Version) -> wire::SubscribeReasonCode {
        match (self, version) {
            (Self::Granted(qos), _) => wire::SubscribeReasonCode::Success(qos.to_wire()),
            (_, Version::V311) => wire::SubscribeReasonCode::Failure,
            (Self::UnspecifiedError, Version::V5) => wire::SubscribeReasonCode::Unspecified,
            (Self::ImplementationSpecificError, Version::V5) => {
                wire::SubscribeReasonCode::ImplementationSpecific
            }
            (Self::NotAuthorized, Version::V5) => wire::SubscribeReasonCode::NotAuthorized,
            (Self::TopicFilterInvalid, Version::V5) => {
                wire::SubscribeReasonCode::TopicFilterInvalid
            }
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

    pub(super) fn to_wire(self) -> wire::UnsubAckReason {
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

/// Why a connection ends, said by either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    Normal,
    /// A client that leaves, but wants its will published.
    WithWill,
    UnspecifiedError,
    MalformedPacket,
    ProtocolError,
    ImplementationSpecificError,
    NotAuthorized,
    ServerBusy,
    ServerShuttingDown,
    KeepAliveTimeout,
    SessionTakenOver,
    TopicFilterInvalid,
    TopicNameInvalid,
    ReceiveMaximumExceeded,
    TopicAliasInvalid,
    PacketTooLarge,
    MessageRateTooHigh,
    QuotaExceeded,
    AdministrativeAction,
    PayloadFormatInvalid,
    RetainNotSupported,
    QoSNotSupported,
    UseAnotherServer,
    ServerMoved,
    SharedSubscriptionsNotSupported,
    ConnectionRateExceeded,
    MaximumConnectTime,
    SubscriptionIdentifiersNotSupported,
    WildcardSubscriptionsNotSupported,
}

impl DisconnectReason {
    /// The byte on the wire of MQTT 5.
    pub fn code(self) -> u8 {
        match self {
            Self::Normal => 0x00,
            Self::WithWill => 0x04,
            Self::UnspecifiedError => 0x80,
            Self::MalformedPacket => 0x81,
            Self::ProtocolError => 0x82,
            Self::ImplementationSpecificError => 0x83,
            Self::NotAuthorized => 0x87,
            Self::ServerBusy => 0x89,
            Self::ServerShuttingDown => 0x8b,
            Self::KeepAliveTimeout => 0x8d,
            Self::SessionTakenOver => 0x8e,
            Self::TopicFilterInvalid => 0x8f,
            Self::TopicNameInvalid => 0x90,
            Self::ReceiveMaximumExceeded => 0x93,
            Self::TopicAliasInvalid => 0x94,
            Self::PacketTooLarge => 0x95,
            Self::MessageRateTooHigh => 0x96,
            Self::QuotaExceeded => 0x97,
            Self::AdministrativeAction => 0x98,
            Self::PayloadFormatInvalid => 0x99,
            Self::RetainNotSupported => 0x9a,
            Self::QoSNotSupported => 0x9b,
            Self::UseAnotherServer => 0x9c,
            Self::ServerMoved => 0x9d,
            Self::SharedSubscriptionsNotSupported => 0x9e,
            Self::ConnectionRateExceeded => 0x9f,
            Self::MaximumConnectTime => 0xa0,
            Self::SubscriptionIdentifiersNotSupported => 0xa1,
            Self::WildcardSubscriptionsNotSupported => 0xa2,
        }
    }

    pub(super) fn to_wire(self) -> wire::DisconnectReasonCode {
        match self {
            Self::Normal => wire::DisconnectReasonCode::NormalDisconnection,
            Self::WithWill => wire::DisconnectReasonCode::DisconnectWithWillMessage,
            Self::UnspecifiedError => wire::DisconnectReasonCode::UnspecifiedError,
            Self::MalformedPacket => wire::DisconnectReasonCode::MalformedPacket,
            Self::ProtocolError => wire::DisconnectReasonCode::ProtocolError,
            Self::ImplementationSpecificError => {
                wire::DisconnectReasonCode::ImplementationSpecificError
            }
            Self::NotAuthorized => wire::DisconnectReasonCode::NotAuthorized,
            Self::ServerBusy => wire::DisconnectReasonCode::ServerBusy,
            Self::ServerShuttingDown => wire::DisconnectReasonCode::ServerShuttingDown,
            Self::KeepAliveTimeout => wire::DisconnectReasonCode::KeepAliveTimeout,
            Self::SessionTakenOver => wire::DisconnectReasonCode::SessionTakenOver,
            Self::TopicFilterInvalid => wire::DisconnectReasonCode::TopicFilterInvalid,
            Self::TopicNameInvalid => wire::DisconnectReasonCode::TopicNameInvalid,
            Self::ReceiveMaximumExceeded => wire::DisconnectReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasInvalid => wire::DisconnectReasonCode::TopicAliasInvalid,
            Self::PacketTooLarge => wire::DisconnectReasonCode::PacketTooLarge,
            Self::MessageRateTooHigh => wire::DisconnectReasonCode::MessageRateTooHigh,
            Self::QuotaExceeded => wire::DisconnectReasonCode::QuotaExceeded,
            Self::AdministrativeAction => wire::DisconnectReasonCode::AdministrativeAction,
            Self::PayloadFormatInvalid => wire::DisconnectReasonCode::PayloadFormatInvalid,
            Self::RetainNotSupported => wire::DisconnectReasonCode::RetainNotSupported,
            Self::QoSNotSupported => wire::DisconnectReasonCode::QoSNotSupported,
            Self::UseAnotherServer => wire::DisconnectReasonCode::UseAnotherServer,
            Self::ServerMoved => wire::DisconnectReasonCode::ServerMoved,
            Self::SharedSubscriptionsNotSupported => {
                wire::DisconnectReasonCode::SharedSubscriptionNotSupported
            }
            Self::ConnectionRateExceeded => wire::DisconnectReasonCode::ConnectionRateExceeded,
            Self::MaximumConnectTime => wire::DisconnectReasonCode::MaximumConnectTime,
            Self::SubscriptionIdentifiersNotSupported => {
                wire::DisconnectReasonCode::SubscriptionIdentifiersNotSupported
            }
            Self::WildcardSubscriptionsNotSupported => {
                wire::DisconnectReasonCode::WildcardSubscriptionsNotSupported
            }
        }
    }

    pub(super) fn from_wire(reason: wire::DisconnectReasonCode) -> Self {
        match reason {
            wire::DisconnectReasonCode::NormalDisconnection => Self::Normal,
            wire::DisconnectReasonCode::DisconnectWithWillMessage => Self::WithWill,
            wire::DisconnectReasonCode::UnspecifiedError => Self::UnspecifiedError,
            wire::DisconnectReasonCode::MalformedPacket => Self::MalformedPacket,
            wire::DisconnectReasonCode::ProtocolError => Self::ProtocolError,
            wire::DisconnectReasonCode::ImplementationSpecificError => {
                Self::ImplementationSpecificError
            }
            wire::DisconnectReasonCode::NotAuthorized => Self::NotAuthorized,
            wire::DisconnectReasonCode::ServerBusy => Self::ServerBusy,
            wire::DisconnectReasonCode::ServerShuttingDown => Self::ServerShuttingDown,
            wire::DisconnectReasonCode::KeepAliveTimeout => Self::KeepAliveTimeout,
            wire::DisconnectReasonCode::SessionTakenOver => Self::SessionTakenOver,
            wire::DisconnectReasonCode::TopicFilterInvalid => Self::TopicFilterInvalid,
            wire::DisconnectReasonCode::TopicNameInvalid => Self::TopicNameInvalid,
            wire::DisconnectReasonCode::ReceiveMaximumExceeded => Self::ReceiveMaximumExceeded,
            wire::DisconnectReasonCode::TopicAliasInvalid => Self::TopicAliasInvalid,
            wire::DisconnectReasonCode::PacketTooLarge => Self::PacketTooLarge,
            wire::DisconnectReasonCode::MessageRateTooHigh => Self::MessageRateTooHigh,
            wire::DisconnectReasonCode::QuotaExceeded => Self::QuotaExceeded,
            wire::DisconnectReasonCode::AdministrativeAction => Self::AdministrativeAction,
            wire::DisconnectReasonCode::PayloadFormatInvalid => Self::PayloadFormatInvalid,
            wire::DisconnectReasonCode::RetainNotSupported => Self::RetainNotSupported,
            wire::DisconnectReasonCode::QoSNotSupported => Self::QoSNotSupported,
            wire::DisconnectReasonCode::UseAnotherServer => Self::UseAnotherServer,
            wire::DisconnectReasonCode::ServerMoved => Self::ServerMoved,
            wire::DisconnectReasonCode::SharedSubscriptionNotSupported => {
                Self::SharedSubscriptionsNotSupported
            }
            wire::DisconnectReasonCode::ConnectionRateExceeded => Self::ConnectionRateExceeded,
            wire::DisconnectReasonCode::MaximumConnectTime => Self::MaximumConnectTime,
            wire::DisconnectReasonCode::SubscriptionIdentifiersNotSupported => {
                Self::SubscriptionIdentifiersNotSupported
            }
            wire::DisconnectReasonCode::WildcardSubscriptionsNotSupported => {
                Self::WildcardSubscriptionsNotSupported
            }
        }
    }
}

impl QoS {
    pub(super) fn to_wire(self) -> wire::QoS {
        match self {
            Self::AtMostOnce => wire::QoS::AtMostOnce,
            Self::AtLeastOnce => wire::QoS::AtLeastOnce,
            Self::ExactlyOnce => wire::QoS::ExactlyOnce,
        }
    }

    pub(super) fn from_wire(qos: wire::QoS) -> Self {
        match qos {
            wire::QoS::AtMostOnce => Self::AtMostOnce,
            wire::QoS::AtLeastOnce => Self::AtLeastOnce,
            wire::QoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}
