//! A rate as text: `"1000/min"`, `"20/s"`, `"5/10s"`.
//!
//! For a limit that can be lifted: `#[serde(with = "firsthop_config::rate")]` on an `Option<Rate>`, where `"unlimited"`
//! is `None`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration;

const UNLIMITED: &str = "unlimited";

/// The first word of each row is the one shown.
const PERIODS: [(&[&str], u64); 4] =
    [(&["s", "sec", "second"], 1), (&["min", "m", "minute"], 60), (&["h", "hour"], 3600), (&["day", "d"], 86_400)];

/// So many in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    pub count: NonZeroU32,
    /// Never zero if it was read from text.
    pub per: Duration,
}

impl Rate {
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }

    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self { count, per: Duration::from_secs(60) }
    }
}

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error("`{0}` is not a rate: write how many in what time, such as \"1000/min\" or \"20/s\"")]
    Form(String),
    #[error("`{0}` is not a rate: the number must be from 1 to {max}", max = u32::MAX)]
    Count(String),
    #[error("`{text}` is not a rate: after the slash write s, min, h, day or a duration such as \"10s\"")]
    Period { text: String },
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, period) = text.split_once('/').ok_or_else(|| RateError::Form(text.to_owned()))?;
        let (count, period) = (count.trim(), period.trim());
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RateError::Form(text.to_owned()));
        }
        let count = count.parse().map_err(|_| RateError::Count(text.to_owned()))?;
        let named = PERIODS.iter().find(|(names, _)| names.contains(&period));
        let per = match named {
            Some((_, seconds)) => Duration::from_secs(*seconds),
            None => match duration::parse(period) {
                Ok(per) if !per.is_zero() => per,
                _ => {
                    return Err(RateError::Period { text: text.to_owned() });
                }
            },
        };
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = PERIODS.iter().find(|(_, seconds)| self.per == Duration::from_secs(*seconds));
        match named.and_then(|(names, _)| names.first()) {
            Some(name) => write!(f, "{}/{name}", self.count),
            None => write!(f, "{}/{}", self.count, humantime::format_duration(self.per)),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateVisitor;

        impl Visitor<'_> for RateVisitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as \"1000/min\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(RateVisitor)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A rate, or `"unlimited"`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    struct LimitVisitor;

    impl Visitor<'_> for LimitVisitor {
        type Value = Option<Rate>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a rate such as \"1000/min\", or \"unlimited\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<Rate>, E> {
            if text.trim() == UNLIMITED {
                return Ok(None);
            }
            text.parse().map(Some).map_err(|e| E::custom(format_args!("{e}, or \"{UNLIMITED}\"")))
        }
    }

    deserializer.deserialize_any(LimitVisitor)
}

pub fn serialize<S: Serializer>(limit: &Option<Rate>, serializer: S) -> Result<S::Ok, S::Error> {
    match limit {
        Some(rate) => rate.serialize(serializer),
        None => serializer.serialize_str(UNLIMITED),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(count: u32, per: Duration) -> Rate {
        Rate { count: NonZeroU32::new(count).unwrap(), per }
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        for (text, count, seconds) in [
            ("1000/min", 1000, 60),
            ("20/s", 20, 1),
            (" 20 / sec ", 20, 1),
            ("7/h", 7, 3600),
            ("1/day", 1, 86_400),
            ("5/10s", 5, 10),
            ("3/1h 30m", 3, 5400),
        ] {
            assert_eq!(text.parse(), Ok(rate(count, Duration::from_secs(seconds))), "{text}");
        }
    }

    #[test]
    fn a_wrong_rate_says_what_to_write() {
        let told = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        let form = "is not a rate: write how many in what time, such as \"1000/min\" or \"20/s\"";
        for text in ["", "20", "/s", "x/s", "-1/s", "+1/s", "1.5/s"] {
            assert_eq!(told(text), format!("`{text}` {form}"));
        }
        for text in ["0/s", "4294967296/s"] {
            assert_eq!(told(text), format!("`{text}` is not a rate: the number must be from 1 to 4294967295"));
        }
        for text in ["1/", "1/fortnight", "1/0s", "1/5", "1/M"] {
            let period = "is not a rate: after the slash write s, min, h, day or a duration such as \"10s\"";
            assert_eq!(told(text), format!("`{text}` {period}"));
        }
    }

    proptest! {
        #[test]
        fn a_rate_that_was_shown_reads_as_the_same(count in 1u32.., millis in 1u64..1 << 50) {
            let rate = rate(count, Duration::from_millis(millis));
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn a_rate_per_named_time_reads_as_the_same(count in 1u32.., period in 0usize..PERIODS.len()) {
            let rate = rate(count, Duration::from_secs(PERIODS[period].1));
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn no_text_makes_the_reading_of_rates_panic(text in "\\PC*|[0-9]{1,12}/\\PC*") {
            let _ = text.parse::<Rate>();
        }
    }
}
