//! Bodies from and to JSON (RFC 8259) and CBOR (RFC 8949), bounded before anything is read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Format;

/// Largest request body, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;

/// Why a body was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than a request may have.
    #[error("body of {len} bytes is larger than the {MAX_REQUEST} allowed")]
    TooLarge {
        /// Bytes found.
        len: usize,
    },
    /// Not the format, or not the fields, that were expected.
    #[error("{}: {message}", if field.is_empty() { "body" } else { field })]
    Malformed {
        /// Path of the field concerned, empty for the body as a whole.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads a body. Nothing is allocated by a length that the body only announces; trailing bytes, unknown fields and duplicate keys are
/// refused; an empty body is an empty request.
pub fn decode<T: DeserializeOwned>(body: &[u8], format: Format) -> Result<T, DecodeError> {
    if body.len() > MAX_REQUEST {
        return Err(DecodeError::TooLarge { len: body.len() });
    }
    let body = match (body, format) {
        ([], Format::Json) => b"{}",
        ([], Format::Cbor) => &[0xa0][..],
        _ => body,
    };
    // The path of a fault costs time, so it is looked for only once there is a fault.
    match format {
        Format::Json => serde_json::from_slice(body).or_else(|_| {
            let mut reader = serde_json::Deserializer::from_slice(body);
            let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| malformed(&error))?;
            reader.end().map_err(|error| malformed_whole(&error)).map(|()| value)
        }),
        Format::Cbor => serde_cbor::from_slice(body).or_else(|_| {
            let mut reader = serde_cbor::Deserializer::from_slice(body);
            let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| malformed(&error))?;
            reader.end().map_err(|error| malformed_whole(&error)).map(|()| value)
        }),
    }
}

/// Writes a body.
pub fn encode<T: Serialize>(body: &T, format: Format) -> Vec<u8> {
    let written = match format {
        Format::Json => serde_json::to_vec(body).map_err(|error| error.to_string()),
        Format::Cbor => serde_cbor::to_vec(body).map_err(|error| error.to_string()),
    };
    written.expect("bodies have text keys and finite numbers, so they can be written")
}

fn malformed<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> DecodeError {
    let field = error.path().to_string();
    DecodeError::Malformed {
        field: if field == "." || field == "?" { String::new() } else { field },
        message: error.inner().to_string(),
    }
}

fn malformed_whole(error: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Malformed { field: String::new(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{RegisterRequest, StatusRequest};

    fn register(text: &str) -> Result<RegisterRequest, DecodeError> {
        decode(text.as_bytes(), Format::Json)
    }

    #[test]
    fn an_empty_body_is_an_empty_request_in_both_formats() {
        assert_eq!(decode::<RegisterRequest>(b"", Format::Json).unwrap(), RegisterRequest::default());
        assert_eq!(decode::<RegisterRequest>(b"", Format::Cbor).unwrap(), RegisterRequest::default());
    }

    #[test]
    fn an_error_names_the_field() {
        let field = |text| match register(text) {
            Err(DecodeError::Malformed { field, .. }) => field,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(field(r#"{"wait":"soon"}"#), "wait");
        assert_eq!(field(r#"{"metadata":[1]}"#), "metadata");
        assert_eq!(field(r#"{"registrationId":"a/b"}"#), "registrationId");
        assert_eq!(field(r#"{"endpoints":{"ssh":7}}"#), "endpoints.ssh");
        assert_eq!(field(r#"{"current":{"hub":"x","etag":1}}"#), "current.etag");
    }

    #[test]
    fn an_unknown_field_is_named_with_the_known_ones() {
        let message = register(r#"{"metdata":{}}"#).unwrap_err().to_string();
        assert!(message.contains("metdata") && message.contains("`metadata`"), "{message}");
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        assert!(register(r#"{"metadata":{"a":1,"a":2}}"#).unwrap_err().to_string().contains("stands twice"));
        assert!(register(r#"{"rid":"a","rid":"b"}"#).is_err());
        assert!(register(r#"{"endpoints":{"ssh":"a","ssh":"b"}}"#).unwrap_err().to_string().contains("stands twice"));
    }

    #[test]
    fn sixteen_levels_are_read_and_seventeen_refused() {
        let nested = |levels: usize| format!(r#"{{"payload":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(register(&nested(16)).is_ok());
        assert!(register(&nested(17)).unwrap_err().to_string().contains("deeper than 16"));
        assert!(register(&nested(8_000)).is_err());
    }

    #[test]
    fn a_payload_that_is_null_or_undefined_is_none() {
        assert_eq!(register(r#"{"payload":null}"#).unwrap(), RegisterRequest::default());
        for nothing in [0xf6, 0xf7] {
            let body = [b"\xa1\x67payload".as_slice(), &[nothing]].concat();
            assert_eq!(
                decode::<RegisterRequest>(&body, Format::Cbor).unwrap(),
                RegisterRequest::default(),
                "{nothing:x}"
            );
        }
    }

    #[test]
    fn deep_and_lying_cbor_is_refused() {
        let mut deep = vec![0xa1, 0x67];
        deep.extend(b"payload");
        deep.extend(vec![0x81; 10_000]);
        assert!(decode::<RegisterRequest>(&deep, Format::Cbor).is_err());
        for head in [0x5b, 0x7b, 0x9b, 0xbb] {
            let mut lying = vec![0xa1, 0x67];
            lying.extend(b"payload");
            lying.push(head);
            lying.extend(0x8000_0000_0000_0000_u64.to_be_bytes());
            assert!(decode::<RegisterRequest>(&lying, Format::Cbor).is_err(), "{head:x}");
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert!(decode::<RegisterRequest>(b"{} {}", Format::Json).is_err());
        assert!(decode::<RegisterRequest>(&[0xa0, 0xa0], Format::Cbor).is_err());
    }

    #[test]
    fn a_body_over_the_limit_is_not_parsed() {
        let body = vec![b' '; MAX_REQUEST + 1];
        assert_eq!(decode::<RegisterRequest>(&body, Format::Json), Err(DecodeError::TooLarge { len: MAX_REQUEST + 1 }));
    }

    #[test]
    fn a_cbor_request_has_the_same_text_keys() {
        let request =
            register(r#"{"rid":"7","metadata":{"site":"lisbon","floor":3},"wait":2,"payload":[1.5,null,true]}"#)
                .unwrap();
        let bytes = encode(&request, Format::Cbor);
        assert_eq!(decode::<RegisterRequest>(&bytes, Format::Cbor).unwrap(), request);
        // The self-description tag in front changes nothing.
        let tagged = [&[0xd9, 0xd9, 0xf7], bytes.as_slice()].concat();
        assert_eq!(decode::<RegisterRequest>(&tagged, Format::Cbor).unwrap(), request);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_codec_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            for format in [Format::Json, Format::Cbor] {
                let _ = decode::<RegisterRequest>(&body, format);
                let _ = decode::<StatusRequest>(&body, format);
            }
        }

        #[test]
        fn what_was_written_reads_back(text in "[ -~]{1,40}", number in any::<i64>(), wait in 0u8..=30) {
            let body = serde_json::json!({"rid": text, "metadata": {text.clone(): number}, "wait": wait});
            let request: RegisterRequest = serde_json::from_value(body).unwrap();
            for format in [Format::Json, Format::Cbor] {
                prop_assert_eq!(&decode::<RegisterRequest>(&encode(&request, format), format).unwrap(), &request);
            }
        }
    }
}
