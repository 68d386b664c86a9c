//! Identifiers, parsed once at the door. Past it a value cannot hold a `/`, `+` or `#`, so it is safe inside a topic.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest registration id, device id, group id and hub name, in bytes (rule B2).
pub const MAX_ID_LEN: usize = 128;
/// Longest `rid` of a request, in bytes.
pub const MAX_REQUEST_ID_LEN: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or longer than allowed.
    #[error("must have 1 to {max} characters, not {len}")]
    Length {
        /// Bytes found.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character outside the alphabet.
    #[error("may hold letters, digits and - . _ : only, not {0:?}")]
    Character(char),
    /// The last character is `.`, `_` or `:`.
    #[error("must end with a letter, a digit or '-', not {0:?}")]
    End(char),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_ID_LEN {
        return Err(IdError::Length { len: text.len(), max: MAX_ID_LEN });
    }
    if let Some(other) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'))) {
        return Err(IdError::Character(other));
    }
    match text.chars().next_back() {
        Some(last @ ('.' | '_' | ':')) => Err(IdError::End(last)),
        _ => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $fold:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text, or says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text)?;
                let fold: fn(&str) -> Arc<str> = $fold;
                Ok(Self(fold(text)))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(|error| serde::de::Error::custom(format_args!("{text:?} {error}")))
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A device's name towards the service (rule B2): case-insensitive, kept in lower case. With X.509 it is the leaf's common name.
    RegistrationId,
    |text| text.to_ascii_lowercase().into()
);
text_id!(
    /// A device's name on its hub. Equal to the registration id unless an individual enrollment renames it.
    DeviceId,
    |text| text.into()
);
text_id!(
    /// An enrollment group's name, case-insensitive, kept in lower case.
    GroupId,
    |text| text.to_ascii_lowercase().into()
);
text_id!(
    /// A hub's name, case-insensitive, kept in lower case.
    HubName,
    |text| text.to_ascii_lowercase().into()
);

impl From<&RegistrationId> for DeviceId {
    fn from(id: &RegistrationId) -> Self {
        Self(id.0.clone())
    }
}

/// The client's own name for a request (`rid`), echoed in every answer to it. Any text of at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Parses the text, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.len() {
            1..=MAX_REQUEST_ID_LEN => Ok(Self(text.into())),
            len => Err(IdError::Length { len, max: MAX_REQUEST_ID_LEN }),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A new random id.
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4())
            }

            /// The id from its stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }

            /// The id as bytes to store.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                uuid::Uuid::parse_str(&text).map(Self).map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id!(
    /// One registration operation: the first one of a device, or a later one. The same `rid` means the same operation.
    OperationId
);
uuid_id!(
    /// Ties a refusal that a device saw to the operator's log line with the whole reason.
    TrackingId
);

/// The version of a stored registration: changes whenever the record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ETag(u64);

impl ETag {
    /// The tag of a record's revision.
    pub const fn new(revision: u64) -> Self {
        Self(revision)
    }

    /// The revision behind the tag.
    pub const fn revision(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for ETag {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text.trim_matches('"'), 16).map(Self)
    }
}

impl Serialize for ETag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ETag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom(format_args!("{text:?} is not an etag")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_id_is_case_insensitive() {
        assert_eq!(RegistrationId::parse("Dev-A:1.x_2").unwrap(), RegistrationId::parse("dev-a:1.X_2").unwrap());
    }

    #[test]
    fn topic_characters_and_controls_stop_at_the_door() {
        for text in ["a/b", "a+b", "#", "a\0b", "gerät", "a b", "$x"] {
            assert!(matches!(RegistrationId::parse(text), Err(IdError::Character(_))), "{text:?}");
        }
    }

    #[test]
    fn the_last_character_is_a_letter_a_digit_or_a_hyphen() {
        assert!(RegistrationId::parse("a-").is_ok());
        for text in ["a.", "a_", "a:"] {
            assert!(matches!(RegistrationId::parse(text), Err(IdError::End(_))), "{text:?}");
        }
    }

    #[test]
    fn an_id_has_1_to_128_characters() {
        assert!(RegistrationId::parse(&"x".repeat(128)).is_ok());
        assert_eq!(RegistrationId::parse(""), Err(IdError::Length { len: 0, max: 128 }));
        assert_eq!(RegistrationId::parse(&"x".repeat(129)), Err(IdError::Length { len: 129, max: 128 }));
    }

    #[test]
    fn an_etag_reads_back_with_or_without_quotes() {
        let tag = ETag::new(0xbeef);
        assert_eq!(tag.to_string(), "beef");
        assert_eq!("\"beef\"".parse::<ETag>().unwrap(), tag);
    }
}
