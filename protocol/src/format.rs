//! The two body formats and how one is told from the other.

use serde::{Deserialize, Serialize};

/// The format of a body. An answer has the format of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 8259.
    #[default]
    Json,
    /// RFC 8949, with the same text keys.
    Cbor,
}

/// First byte of the CBOR self-description tag 55799.
const CBOR_TAG: u8 = 0xd9;

impl Format {
    /// The media type, as in MQTT 5's Content Type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// The format a Content Type names, parameters aside; `None` when it is neither.
    pub fn from_content_type(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence {
            _ if essence.eq_ignore_ascii_case("application/json") => Some(Self::Json),
            _ if essence.eq_ignore_ascii_case("application/cbor") => Some(Self::Cbor),
            _ => None,
        }
    }

    /// The format by the first byte: `{` or white space is JSON, a map or tag 55799 is CBOR. An empty body is an empty request (JSON).
    pub fn sniff(body: &[u8]) -> Option<Self> {
        match body.first() {
            None | Some(b'{' | b' ' | b'\t' | b'\n' | b'\r') => Some(Self::Json),
            Some(0xa0..=0xbf | &CBOR_TAG) => Some(Self::Cbor),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_format() {
        assert_eq!(Format::sniff(b""), Some(Format::Json));
        assert_eq!(Format::sniff(b"\n{}"), Some(Format::Json));
        assert_eq!(Format::sniff(&[0xa0]), Some(Format::Cbor));
        assert_eq!(Format::sniff(&[0xd9, 0xd9, 0xf7, 0xa0]), Some(Format::Cbor));
        assert_eq!(Format::sniff(b"<xml/>"), None);
    }

    #[test]
    fn a_content_type_may_carry_parameters() {
        assert_eq!(Format::from_content_type("Application/JSON; charset=utf-8"), Some(Format::Json));
        assert_eq!(Format::from_content_type("text/plain"), None);
    }
}
