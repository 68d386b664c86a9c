//! A number of bytes, written as text: `"64KiB"`, `"10MB"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first of those that divide a size without rest and give the smallest number is the one shown.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes. Reads a plain whole number or text with a unit (B, kB, MB, GB, TB; KiB, MiB, GiB, TiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(u64);

impl Size {
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// # Panics
    /// In constant evaluation (or debug builds) when it does not fit; meant for defaults.
    pub const fn kib(count: u64) -> Self {
        Self(count * 1024)
    }

    /// # Panics
    /// As [`Size::kib`].
    pub const fn mib(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }

    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// For lengths in memory; more than this machine can address becomes the most that it can.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("`{0}` is not a size: write a whole number and a unit, such as \"64KiB\" or \"10MB\"")]
    NoNumber(String),
    #[error("`{0}` is not a unit of size: write B, kB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1024s)")]
    Unit(String),
    #[error("`{0}` is too large for a size")]
    TooLarge(String),
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let trimmed = text.trim();
        let digits_end = trimmed.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at_checked(digits_end).unwrap_or_default();
        let unit = unit.trim_start();
        if number.is_empty() || unit.starts_with(['.', ',']) {
            return Err(SizeError::NoNumber(text.to_owned()));
        }
        let factor = match unit {
            "" => 1,
            _ => match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
                Some((_, factor)) => *factor,
                None => return Err(SizeError::Unit(unit.to_owned())),
            },
        };
        let too_large = || SizeError::TooLarge(text.to_owned());
        // Only digits are left, so the one way to fail is too many of them.
        let number: u64 = number.parse().map_err(|_| too_large())?;
        number.checked_mul(factor).map(Self).ok_or_else(too_large)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().filter(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match exact.min_by_key(|(_, factor)| self.0 / factor) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => f.write_str("0B"),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64KiB\", or a number of bytes")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_units_of_1000_and_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1MiB", 1_048_576),
            ("10MB", 10_000_000),
            ("2kB", 2_000),
            ("2KB", 2_000),
            ("3GiB", 3 << 30),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Size::bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_says_what_to_write() {
        let told = |text: &str| text.parse::<Size>().map_err(|e| e.to_string());
        let no_number = "is not a size: write a whole number and a unit, such as \"64KiB\" or \"10MB\"";
        for text in ["", "KiB", "-1", "1.5MiB", "ten"] {
            assert_eq!(told(text), Err(format!("`{text}` {no_number}")));
        }
        let unit = "is not a unit of size: write B, kB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1024s)";
        assert_eq!(told("5K"), Err(format!("`K` {unit}")));
        assert_eq!(told("5 parsecs"), Err(format!("`parsecs` {unit}")));
        assert_eq!(told("99999999TiB"), Err("`99999999TiB` is too large for a size".to_owned()));
        assert_eq!(told("99999999999999999999"), Err("`99999999999999999999` is too large for a size".to_owned()));
    }

    #[test]
    fn a_size_is_shown_with_the_unit_that_makes_it_short() {
        for (size, text) in [
            (Size::default(), "0B"),
            (Size::kib(64), "64KiB"),
            (Size::mib(1), "1MiB"),
            (Size::bytes(10_000_000), "10MB"),
            (Size::bytes(1500), "1500B"),
            (Size::bytes(1000), "1kB"),
        ] {
            assert_eq!(size.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_size_that_was_shown_reads_as_the_same(bytes: u64) {
            prop_assert_eq!(Size::bytes(bytes).to_string().parse(), Ok(Size::bytes(bytes)));
        }

        #[test]
        fn a_round_size_that_was_shown_reads_as_the_same(count in 0u64..100_000, unit in 0usize..UNITS.len()) {
            let size = Size::bytes(count * UNITS[unit].1);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_the_reading_of_sizes_panic(text: String) {
            let _ = text.parse::<Size>();
        }
    }
}
