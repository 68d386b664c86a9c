//! The outcome of a CONNECT.

use rumqttd::protocol as wire;

use crate::front::codec::Version;

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

    pub(in crate::front::codec) fn to_wire(self, version: Version) -> wire::ConnectReturnCode {
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
                Self::ImplementationSpecificError => wire::ConnectReturnCode::ImplementationSpecificError,
                Self::UnsupportedProtocolVersion => wire::ConnectReturnCode::UnsupportedProtocolVersion,
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
