//! Property bags: what a message's topic says about it, url-encoded, as in `%24.mid=7&site=lisbon`.
//!
//! A key without `=` has no value; with `=` and nothing behind it, an empty one. Names that begin with `$` are the system's, such as
//! `$.mid` (message id), `$.cid` (correlation id), `$.exp` (expiry) and `$.to`.

use std::fmt::Write;

/// Longest property bag in bytes, url-encoded.
pub const MAX_LEN: usize = 8 * 1024;
/// Most properties in one bag.
pub const MAX_PROPERTIES: usize = 128;

/// One property: its name, and its value where it has one.
pub type Property = (String, Option<String>);

/// Why a text is no property bag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BagError {
    /// Too long.
    #[error("a property bag of {0} bytes is longer than the {MAX_LEN} allowed")]
    Length(usize),
    /// Too many.
    #[error("a message may have {MAX_PROPERTIES} properties, not {0}")]
    Count(usize),
    /// A character that must be url-encoded.
    #[error("{0:?} must be url-encoded in a property bag")]
    Character(char),
    /// A `%` without two hexadecimal digits, or bytes that are no text.
    #[error("property {0:?} is not url-encoded UTF-8 text")]
    Encoding(String),
    /// A property without a name.
    #[error("a property has no name")]
    Name,
}

/// Checks a bag as it stands in a topic.
pub fn check(bag: &str) -> Result<(), BagError> {
    parse(bag).map(drop)
}

/// The properties of a bag, in its order; names may repeat.
pub fn parse(bag: &str) -> Result<Vec<Property>, BagError> {
    if bag.len() > MAX_LEN {
        return Err(BagError::Length(bag.len()));
    }
    if bag.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(other) = bag.chars().find(|c| matches!(c, '/' | '+' | '#') || c.is_control()) {
        return Err(BagError::Character(other));
    }
    let count = bag.split('&').count();
    if count > MAX_PROPERTIES {
        return Err(BagError::Count(count));
    }
    bag.split('&')
        .map(|item| {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (item, None),
            };
            let decode = |text| decode(text).ok_or_else(|| BagError::Encoding(name.chars().take(32).collect()));
            if name.is_empty() {
                return Err(BagError::Name);
            }
            Ok((decode(name)?, value.map(decode).transpose()?))
        })
        .collect()
}

/// The bag of these properties. What it gives is accepted by [`parse`] unless it is too long.
pub fn encode<'a>(properties: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut bag = String::new();
    for (name, value) in properties {
        if !bag.is_empty() {
            bag.push('&');
        }
        encode_into(&mut bag, name);
        if let Some(value) = value {
            bag.push('=');
            encode_into(&mut bag, value);
        }
    }
    bag
}

fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        // The unreserved characters of RFC 3986.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => (hex(bytes.next()?)? << 4) | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bag_as_the_sdks_write_it() {
        let bag = "%24.mid=7&%24.ct=application%2Fjson&empty=&bare&$.cid=x";
        let property = |name: &str, value: Option<&str>| (name.to_owned(), value.map(ToOwned::to_owned));
        assert_eq!(
            parse(bag),
            Ok(vec![
                property("$.mid", Some("7")),
                property("$.ct", Some("application/json")),
                property("empty", Some("")),
                property("bare", None),
                property("$.cid", Some("x")),
            ])
        );
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_with_a_bag_is_said() {
        assert_eq!(check("a=b/c"), Err(BagError::Character('/')));
        assert_eq!(check("a=%2"), Err(BagError::Encoding("a".into())));
        assert_eq!(check("a=%+1"), Err(BagError::Character('+')));
        assert_eq!(check("a=%g1"), Err(BagError::Encoding("a".into())));
        assert_eq!(check("%ff=1"), Err(BagError::Encoding("%ff".into())));
        assert_eq!(check("a=1&=2"), Err(BagError::Name));
        assert_eq!(check(&"a".repeat(MAX_LEN + 1)), Err(BagError::Length(MAX_LEN + 1)));
        assert_eq!(check(&"a&".repeat(MAX_PROPERTIES)), Err(BagError::Count(MAX_PROPERTIES + 1)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_out_again(properties in prop::collection::vec(("\\PC{1,8}", prop::option::of("\\PC{0,8}")), 0..8)) {
            let bag = encode(properties.iter().map(|(name, value)| (name.as_str(), value.as_deref())));
            prop_assert!(bag.is_ascii() && !bag.contains(['/', '+', '#']));
            prop_assert_eq!(parse(&bag), Ok(properties));
        }

        #[test]
        fn no_text_makes_the_parser_panic(bag in "[%&=a-g0-9/é$.]{0,60}") {
            let _ = parse(&bag);
        }
    }
}
