//! Exit codes, by whose turn it is.

use firsthop_agent::Error;
use firsthop_protocol::Answer;

pub const OK: u8 = 0;
pub const FAILURE: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_FOUND: u8 = 3;
pub const REFUSED: u8 = 4;
pub const CONFLICT: u8 = 5;
pub const UNAVAILABLE: u8 = 6;
pub const THROTTLED: u8 = 7;

/// The table as `--help` shows it.
pub const HELP: &str = "Exit codes:
  0  done
  1  failure: files, an untrusted server, an answer that cannot be read
  2  usage
  3  not found: no such registration (404)
  4  refused (other 4xx, or our certificate or MQTT connection)
  5  conflict: the same device is registering with other content (409)
  6  try again later: unreachable, timed out, connection closed, still assigning, 5xx
  7  throttled (429); Retry-After is printed

Each option can be given as an environment variable, which --help names; the command line wins.";

pub fn of_answer(answer: &Answer) -> u8 {
    match answer.status() {
        202 => UNAVAILABLE,
        200..=299 => OK,
        404 => NOT_FOUND,
        409 => CONFLICT,
        429 => THROTTLED,
        400..=499 => REFUSED,
        _ => UNAVAILABLE,
    }
}

pub fn of_error(error: &Error) -> u8 {
    match error {
        Error::Resolve { .. }
        | Error::Connect { .. }
        | Error::Closed { .. }
        | Error::TimedOut { .. }
        | Error::Io { .. } => UNAVAILABLE,
        Error::ConnectionRefused { reason, .. } | Error::PublicationRefused { reason, .. }
            if is_passing(reason.code) =>
        {
            UNAVAILABLE
        }
        Error::CertificateRefused { .. }
        | Error::ConnectionRefused { .. }
        | Error::SubscriptionRefused { .. }
        | Error::PublicationRefused { .. } => REFUSED,
        Error::Setup(_)
        | Error::ServerNotTrusted { .. }
        | Error::Tls { .. }
        | Error::Protocol { .. }
        | Error::MalformedAnswer { .. }
        | Error::RequestTooLarge { .. } => FAILURE,
    }
}

/// Server unavailable (3.1.1 and 5), busy, shutting down, quota exceeded, connection rate exceeded.
fn is_passing(code: u8) -> bool {
    matches!(code, 0x03 | 0x88 | 0x89 | 0x8B | 0x97 | 0x9F)
}
