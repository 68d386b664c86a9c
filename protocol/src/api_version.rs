//! The API version a client speaks: the date of an edition of the protocol.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An API version, as `2026-11-01` or `2026-11-01-preview`. Ordered by date, a preview before its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    year: u16,
    month: u8,
    day: u8,
    release: bool,
}

impl ApiVersion {
    /// The version this crate speaks.
    pub const CURRENT: Self = Self::of(2026, 11, 1);

    /// The release of that date.
    pub const fn of(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day, release: true }
    }

    /// Parses `YYYY-MM-DD` with an optional `-preview`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, release) = match text.strip_suffix("-preview") {
            Some(date) => (date, false),
            None => (text, true),
        };
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let digits = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
            return None;
        }
        let version = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()?, release };
        ((1..=12).contains(&version.month) && (1..=31).contains(&version.day)).then_some(version)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.release { "" } else { "-preview" };
        write!(f, "{:04}-{:02}-{:02}{suffix}", self.year, self.month, self.day)
    }
}

impl Serialize for ApiVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format_args!("{text:?} is not an API version such as \"{}\"", Self::CURRENT))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_date_and_a_preview_comes_first() {
        let parse = |text| ApiVersion::parse(text).unwrap();
        assert!(parse("2018-04-01") < parse("2018-09-01-preview"));
        assert!(parse("2018-09-01-preview") < parse("2018-09-01"));
        assert_eq!(parse("2018-09-01-preview").to_string(), "2018-09-01-preview");
    }

    #[test]
    fn anything_else_is_not_a_version() {
        for text in ["", "1", "2018-4-1", "2018-13-01", "2018-04-01-beta", "+018-04-01", "2018-04-01-01"] {
            assert_eq!(ApiVersion::parse(text), None, "{text}");
        }
    }
}
