//! Values that must lie between two others.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use firsthop_config::{ConfigError, Located, Size, Source};

use super::file::Time;

/// The value, and an error if it lies outside.
pub fn within<T: PartialOrd + Copy + Display>(
    source: &Source,
    value: &Located<T>,
    allowed: RangeInclusive<T>,
    errors: &mut Vec<ConfigError>,
) -> T {
    if !allowed.contains(&**value) {
        let problem = format!("must be {} to {}, not {}", allowed.start(), allowed.end(), **value);
        errors.push(source.error(value.span(), problem));
    }
    **value
}

/// The same for a time.
pub fn time(
    source: &Source,
    value: &Located<Time>,
    allowed: RangeInclusive<Duration>,
    errors: &mut Vec<ConfigError>,
) -> Duration {
    within(source, value, Time(*allowed.start())..=Time(*allowed.end()), errors).0
}

/// The same for a size, in bytes.
pub fn size(
    source: &Source,
    value: &Located<Size>,
    allowed: RangeInclusive<Size>,
    errors: &mut Vec<ConfigError>,
) -> u64 {
    within(source, value, allowed, errors).as_u64()
}

impl Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}
