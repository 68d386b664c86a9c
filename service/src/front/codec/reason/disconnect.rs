//! Why a connection ends.

use rumqttd::protocol as wire;

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

    pub(in crate::front::codec) fn to_wire(self) -> wire::DisconnectReasonCode {
        match self {
            Self::Normal => wire::DisconnectReasonCode::NormalDisconnection,
            Self::WithWill => wire::DisconnectReasonCode::DisconnectWithWillMessage,
            Self::UnspecifiedError => wire::DisconnectReasonCode::UnspecifiedError,
            Self::MalformedPacket => wire::DisconnectReasonCode::MalformedPacket,
            Self::ProtocolError => wire::DisconnectReasonCode::ProtocolError,
            Self::ImplementationSpecificError => wire::DisconnectReasonCode::ImplementationSpecificError,
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
            Self::SharedSubscriptionsNotSupported => wire::DisconnectReasonCode::SharedSubscriptionNotSupported,
            Self::ConnectionRateExceeded => wire::DisconnectReasonCode::ConnectionRateExceeded,
            Self::MaximumConnectTime => wire::DisconnectReasonCode::MaximumConnectTime,
            Self::SubscriptionIdentifiersNotSupported => {
                wire::DisconnectReasonCode::SubscriptionIdentifiersNotSupported
            }
            Self::WildcardSubscriptionsNotSupported => wire::DisconnectReasonCode::WildcardSubscriptionsNotSupported,
        }
    }

    pub(in crate::front::codec) fn from_wire(reason: wire::DisconnectReasonCode) -> Self {
        match reason {
            wire::DisconnectReasonCode::NormalDisconnection => Self::Normal,
            wire::DisconnectReasonCode::DisconnectWithWillMessage => Self::WithWill,
            wire::DisconnectReasonCode::UnspecifiedError => Self::UnspecifiedError,
            wire::DisconnectReasonCode::MalformedPacket => Self::MalformedPacket,
            wire::DisconnectReasonCode::ProtocolError => Self::ProtocolError,
            wire::DisconnectReasonCode::ImplementationSpecificError => Self::ImplementationSpecificError,
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
            wire::DisconnectReasonCode::SharedSubscriptionNotSupported => Self::SharedSubscriptionsNotSupported,
            wire::DisconnectReasonCode::ConnectionRateExceeded => Self::ConnectionRateExceeded,
            wire::DisconnectReasonCode::MaximumConnectTime => Self::MaximumConnectTime,
            wire::DisconnectReasonCode::SubscriptionIdentifiersNotSupported => {
                Self::SubscriptionIdentifiersNotSupported
            }
            wire::DisconnectReasonCode::WildcardSubscriptionsNotSupported => Self::WildcardSubscriptionsNotSupported,
        }
    }
}
