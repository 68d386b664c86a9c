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
pub const CONFIGURATION: u8 = 78;

/// The table as `--help` shows it.
pub const HELP: &str = "Exit codes:
  0  done; status: the device is on its hub
  1  failure: files, an untrusted server, an answer that cannot be read
  2  usage
  3  not found: no such registration (404)
  4  refused (other 4xx, our certificate or MQTT connection; by the agent: not as it must be, or not allowed)
  5  conflict: the same device is registering with other content (409); another program takes the messages
  6  try again later: no agent runs, the device is not on its hub, no room, unreachable, timed out, connection closed, still assigning, 5xx,
     the server's certificate not valid yet
  7  throttled (429); Retry-After is printed
  78 the configuration is wrong; starting again will not help

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
        | Error::ServerNotYetValid { .. }
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
        | Error::ServerExpired { .. }
        | Error::Signing { .. }
        | Error::Tls { .. }
        | Error::Protocol { .. }
        | Error::MalformedAnswer { .. }
        | Error::MalformedHub { .. }
        | Error::RequestTooLarge { .. } => FAILURE,
    }
}

/// Server unavailable (3.1.1 and 5), busy, shutting down, quota exceeded, connection rate exceeded.
fn is_passing(code: u8) -> bool {
    matches!(code, 0x03 | 0x88 | 0x89 | 0x8B | 0x97 | 0x9F)
}

/// The code of a refusal by the agent (`error.code` on its socket).
pub fn of_refusal(code: &str) -> u8 {
    match code {
        "badRequest" | "tooLarge" | "notAllowed" => REFUSED,
        "busy" => CONFLICT,
        "full" | "stopping" => UNAVAILABLE,
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use firsthop_protocol::Timestamp;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_valid_yet_is_worth_another_try_and_an_expired_one_is_not() {
        let (server, early, late) = ("server:8883".to_owned(), Timestamp::from_secs(1), Timestamp::from_secs(2));
        let not_yet = Error::ServerNotYetValid { server: server.clone(), not_before: late, now: early };
        assert_eq!(of_error(&not_yet), UNAVAILABLE);
        assert_eq!(of_error(&Error::ServerExpired { server, not_after: early, now: late }), FAILURE);
    }
}
