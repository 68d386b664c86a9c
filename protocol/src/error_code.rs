//! Why a request was refused: a six-digit code in Azure DPS's manner, the status it travels with, and what the device should do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a refused device should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Ask again, not before `retryAfter`; after a 5xx at least five seconds later.
    Retry,
    /// Register.
    Reregister,
    /// Asking again with the same credentials and content gives the same answer.
    Stop,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $action:ident;)+) => {
        /// The reason of a refusal. The first three digits of its number are the status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The six-digit number.
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $code,)+ }
            }

            /// What the device should do.
            pub const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action,)+ }
            }

            /// The code's name, for logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

error_codes! {
    /// The body is not JSON or CBOR, or a field has the wrong type.
    MalformedBody = 400_001, Stop;
    /// The Content Type, the topic or the first byte names no known format.
    UnsupportedFormat = 400_002, Stop;
    /// A field's value is not allowed.
    InvalidField = 400_003, Stop;
    /// A twin document breaks a limit, or is none.
    InvalidTwin = 400_004, Stop;
    /// The metadata breaks a schema, a pattern or lacks a required key.
    InvalidMetadata = 400_005, Stop;
    /// The session presented no client certificate.
    NoCredentials = 401_001, Stop;
    /// No enrollment accepts these credentials.
    NotEnrolled = 401_002, Stop;
    /// A certificate of the chain is expired or not yet valid.
    OutsideValidity = 401_003, Stop;
    /// A certificate may not be used for what it was used for.
    BadCertificate = 401_004, Stop;
    /// The body, user name or client id says another id than the credentials.
    IdentityMismatch = 401_005, Stop;
    /// The registration id belongs to another enrollment.
    BoundElsewhere = 401_006, Stop;
    /// The enrollment is disabled.
    Disabled = 403_001, Stop;
    /// The metadata is outside the enrollment's allow list.
    MetadataNotAllowed = 403_002, Stop;
    /// The hub does not have the device.
    NoDevice = 404_001, Reregister;
    /// The device has no session on its hub.
    NotConnected = 404_103, Reregister;
    /// The device is not registered.
    NotRegistered = 404_202, Reregister;
    /// The same device is registering at this moment with other content.
    RegistrationUnderWay = 409_203, Retry;
    /// The document is not at the version that the request expects.
    VersionConflict = 412_001, Stop;
    /// The body is larger than a request may be.
    TooLarge = 413_001, Stop;
    /// A quota is used up.
    Throttled = 429_001, Retry;
    /// The device's command queue has no room.
    QueueFull = 429_002, Retry;
    /// The service failed.
    Internal = 500_001, Retry;
    /// The allocation webhook did not answer, or not as it must.
    WebhookFailed = 502_001, Retry;
    /// The service is stopping.
    Draining = 503_001, Retry;
    /// No hub can take the device.
    NoHub = 503_002, Retry;
    /// The store cannot take the decision now, as when its disk is full.
    StoreUnavailable = 503_003, Retry;
    /// The device is being moved to or from this hub.
    DeviceMoving = 503_004, Retry;
    /// A hub that is concerned cannot be reached.
    HubUnreachable = 504_001, Retry;
    /// The device did not answer a direct method in time.
    MethodTimeout = 504_101, Retry;
}

impl ErrorCode {
    /// The status, as an HTTP status code.
    pub const fn status(self) -> u16 {
        (self.number() / 1000) as u16
    }

    /// The code with that number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.number())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| serde::de::Error::custom(format_args!("unknown error code {number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_begin_with_their_status() {
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
            assert!((400..600).contains(&code.status()));
            assert!(ErrorCode::ALL.iter().skip(at + 1).all(|other| other.number() != code.number()), "{code:?}");
        }
    }

    #[test]
    fn throttling_and_faults_of_ours_are_retried_and_bad_requests_are_not() {
        for code in ErrorCode::ALL {
            match code.status() {
                409 | 429 | 500.. => assert_eq!(code.action(), Action::Retry, "{code:?}"),
                404 => assert_eq!(code.action(), Action::Reregister),
                _ => assert_eq!(code.action(), Action::Stop, "{code:?}"),
            }
        }
    }
}
