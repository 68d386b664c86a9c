//! Durations as text with a unit: `#[serde(with = "firsthop_config::duration")]` on a [`Duration`].
//!
//! A bare number is refused, because nobody can see whether seconds or milliseconds are meant.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserializer, Serializer};

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("a duration needs a unit: write \"{0}s\" for seconds (also ms, m, h, d)")]
    NoUnit(String),
    #[error("`{text}` is months: write \"{count}m\" for minutes or \"{count}months\"")]
    Months { text: String, count: String },
    #[error("`{text}` is not a duration such as \"30s\", \"5m\" or \"1h 30m\": {reason}")]
    Text { text: String, reason: String },
}

/// Reads `"30s"`, `"250ms"`, `"1h 30m"`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(DurationError::NoUnit(trimmed.to_owned()));
    }
    // `5M` would be five months, which is hardly ever what was meant.
    if let Some(count) = trimmed.strip_suffix('M')
        && !count.is_empty()
        && count.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(DurationError::Months { text: trimmed.to_owned(), count: count.to_owned() });
    }
    humantime::parse_duration(trimmed).map_err(|e| DurationError::Text { text: text.to_owned(), reason: e.to_string() })
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        Err(E::custom(DurationError::NoUnit(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
        Err(E::custom(DurationError::NoUnit(number.to_string())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

/// The same for a duration that may be absent: `#[serde(default, with = "firsthop_config::duration::option")]`.
pub mod option {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }

    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_text_with_a_unit() {
        for (text, duration) in [
            ("30s", Duration::from_secs(30)),
            ("250ms", Duration::from_millis(250)),
            ("5m", Duration::from_secs(300)),
            ("1h 30m", Duration::from_secs(5400)),
            ("7d", Duration::from_secs(7 * 86_400)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Ok(duration), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_says_what_to_write() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(told("30"), "a duration needs a unit: write \"30s\" for seconds (also ms, m, h, d)");
        assert_eq!(told("0"), "a duration needs a unit: write \"0s\" for seconds (also ms, m, h, d)");
        assert_eq!(told("5M"), "`5M` is months: write \"5m\" for minutes or \"5months\"");
        assert!(told("soon").starts_with("`soon` is not a duration such as \"30s\", \"5m\" or \"1h 30m\": "));
        assert!(told("").starts_with("`` is not a duration"));
    }

    proptest! {
        #[test]
        fn a_duration_that_was_shown_reads_as_the_same(millis in 0u64..1 << 50) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&humantime::format_duration(duration).to_string()), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_reading_of_durations_panic(text in "\\PC*|[0-9]{1,30} ?[a-zA-Z]{0,6}") {
            let _ = parse(&text);
        }
    }
}
