//! Which of the three classes a failure is in. The table of rules D3 and D4.
//!
//! Of a hub, *other* means: register. Of the service it means a long sleep.
//!
//! | what | class |
//! |---|---|
//! | the address is not found; TCP is refused, reset, or out of time | unavailable |
//! | the connection is lost, or closed without a reason; nothing comes in time | unavailable |
//! | the server's certificate is not trusted, for another name, or expired | other |
//! | the server's certificate is not valid yet: the device's clock stands in the past, and time heals it | unavailable |
//! | our certificate is refused by a TLS alert; any other failure of TLS | other |
//! | what comes is not MQTT, or has no place; an answer or an assignment cannot be read | other |
//! | our own key, certificate, roots or token cannot be used: nothing was proven, and that may be repaired at any time | unavailable |
//! | our request is too large | other |
//!
//! Reason codes of CONNACK, DISCONNECT, SUBACK and PUBACK. Those below 0x80 are MQTT 3.1.1's, which a server that knows only that version
//! also answers MQTT 5 with; the others are the same in every packet.
//!
//! | code | meaning | class |
//! |---|---|---|
//! | 3 (CONNACK) | server unavailable | unavailable |
//! | 1, 2, 4, 5 (CONNACK) | version, client id, user name, not authorized | other |
//! | below 0x80 (DISCONNECT) | none of these is an error: closed without a reason | unavailable |
//! | 0x80, 0x83 | unspecified, implementation specific: the server could not say more | unavailable |
//! | 0x88, 0x89, 0x8B | unavailable, busy, shutting down | unavailable |
//! | 0x8D, 0x8E, 0xA0 | keep-alive timeout, session taken over, maximum connect time | unavailable |
//! | 0x96, 0x97, 0x9F | message rate too high, quota exceeded, connection rate exceeded | throttled |
//! | 0x9C, 0x9D | use another server, server moved; with a Server Reference, of a hub | other |
//! | 0x84-0x87, 0x8A, 0x8C, 0x98 | version, client id, credentials, not authorized, banned, method, administrative action | other |
//! | 0x81, 0x82, 0x8F-0x95, 0x99-0x9B, 0x9E, 0xA1, 0xA2 | we broke the protocol or asked for what the server does not do | other |
//! | any code besides | a refusal that this version does not know; registering is paced, and finds a hub that takes the device | other |
//!
//! Answers of the service, and a hub's to twin requests:
//!
//! | status | class |
//! |---|---|
//! | 429 | throttled |
//! | 5xx | unavailable |
//! | 409 and any other with the action `retry` | unavailable |
//! | 404 and any other with the action `reregister` | other; a look-up is followed by a registration |
//! | the rest | other |

use std::time::Duration;

use firsthop_protocol::{Action, Rejected};

use super::{Class, Failure};
use crate::Error;
use crate::reason::Reason;

/// A failed attempt on a hub, or the end of a connection to one.
pub fn of_hub(error: &Error) -> Failure {
    let (class, reason) = of_error(error);
    Failure { instead: reason.and_then(|reason| reason.instead.clone()), ..failure(class, in_words(error)) }
}

/// A failed attempt on the service. It is asked where it is configured to be: a Server Reference is not followed.
pub fn of_service(error: &Error) -> Failure {
    failure(of_error(error).0, in_words(error))
}

/// A refusal by the service.
pub fn of_refusal(refusal: &Rejected) -> Failure {
    let class = match (of_status(refusal.status), refusal.action) {
        (Class::Other, Action::Retry) => Class::Unavailable,
        (class, _) => class,
    };
    let message = format!(
        "the service refused: {} {} ({}, trackingId {})",
        refusal.status, refusal.message, refusal.error_code, refusal.tracking_id
    );
    Failure {
        retry_after: refusal.retry_after.map(|seconds| Duration::from_secs(seconds.into())),
        register: class == Class::Other && (refusal.status == 404 || refusal.action == Action::Reregister),
        ..failure(class, message)
    }
}

/// The status of a hub's answer to a twin request, where it is not a success.
pub fn of_twin_status(status: u16, message: &str) -> Failure {
    failure(of_status(status), format!("the hub answered {status}: {message}"))
}

fn failure(class: Class, message: String) -> Failure {
    Failure { class, retry_after: None, register: false, instead: None, message }
}

fn of_error(error: &Error) -> (Class, Option<&Reason>) {
    match error {
        Error::Setup(_)
        | Error::Signing { .. }
        | Error::ServerNotYetValid { .. }
        | Error::Resolve { .. }
        | Error::Connect { .. }
        | Error::TimedOut { .. }
        | Error::Io { .. }
        | Error::Closed { reason: None, .. } => (Class::Unavailable, None),
        Error::ServerNotTrusted { .. }
        | Error::ServerExpired { .. }
        | Error::CertificateRefused { .. }
        | Error::Tls { .. }
        | Error::Protocol { .. }
        | Error::MalformedAnswer { .. }
        | Error::MalformedHub { .. }
        | Error::RequestTooLarge { .. } => (Class::Other, None),
        Error::ConnectionRefused { reason, .. } => (of_connack(reason.code), Some(reason)),
        Error::Closed { reason: Some(reason), .. } => (of_disconnect(reason.code), Some(reason)),
        Error::SubscriptionRefused { reason, .. } | Error::PublicationRefused { reason, .. } => {
            (of_reason(reason.code), Some(reason))
        }
    }
}

fn of_connack(code: u8) -> Class {
    match code {
        3 => Class::Unavailable,
        _ => of_reason(code),
    }
}

fn of_disconnect(code: u8) -> Class {
    match code {
        0x00..0x80 => Class::Unavailable,
        _ => of_reason(code),
    }
}

/// MQTT 5, table 2-6, which 3.1.1's one failure of SUBACK (0x80) fits into.
fn of_reason(code: u8) -> Class {
    match code {
        0x80 | 0x83 | 0x88 | 0x89 | 0x8B | 0x8D | 0x8E | 0xA0 => Class::Unavailable,
        0x96 | 0x97 | 0x9F => Class::Throttled,
        // Refusals of this device, mistakes of ours, and what is not known.
        _ => Class::Other,
    }
}

fn of_status(status: u16) -> Class {
    match status {
        429 => Class::Throttled,
        500..600 => Class::Unavailable,
        _ => Class::Other,
    }
}

/// An error with its causes, in one line.
fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
#[path = "tests/classify.rs"]
mod tests;
