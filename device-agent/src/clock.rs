//! What the machine's clock can be believed. A gateway without a battery for it starts in 1970, or where it was switched off.

use std::fmt;

use firsthop_protocol::Timestamp;

/// In seconds.
pub const DAY: u64 = 24 * 60 * 60;

/// Before this code was written (2026-11-01) no clock that runs this program can be right.
const WRITTEN: Timestamp = Timestamp::from_secs(1_793_491_200);

/// Whether a clock that says `now` is wrong for certain.
pub fn is_wrong(now: Timestamp) -> bool {
    now < WRITTEN
}

/// What to make of a server's certificate that is not valid yet.
pub struct TooEarly {
    pub not_before: Timestamp,
    pub now: Timestamp,
}

impl fmt::Display for TooEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { not_before, now } = self;
        match is_wrong(*now) {
            true => f.write_str("; this clock is wrong, for the program is younger than that")?,
            false if not_before.since(*now).as_secs() >= DAY => {
                f.write_str("; either this clock is late or the certificate was issued ahead of time")?;
            }
            // The usual seconds or minutes between two machines.
            false => f.write_str("; one of the two clocks is a little off")?,
        }
        f.write_str(": set the time, as NTP does by itself once it has the network; then trying again is enough")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(not_before: Timestamp, now: Timestamp) -> String {
        TooEarly { not_before, now }.to_string()
    }

    #[test]
    fn only_a_clock_before_this_program_is_called_wrong() {
        let issued = Timestamp::from_secs(WRITTEN.secs() + 90 * DAY);
        assert!(words(issued, Timestamp::from_secs(17)).contains("this clock is wrong"));
        assert!(words(issued, WRITTEN).contains("either this clock is late or"));
        assert!(words(issued, Timestamp::from_secs(issued.secs() - 40)).contains("a little off"));
    }

    #[test]
    fn the_program_is_dated_at_the_first_of_november_2026() {
        assert_eq!(WRITTEN.to_string(), "2026-11-01T00:00:00.0000000Z");
    }
}
