//! Each row of the table.

use std::io::ErrorKind;

use firsthop_protocol::codec::DecodeError;
use firsthop_protocol::{ErrorCode, Timestamp, TrackingId};

use super::*;
use crate::{MqttVersion, SetupError, Waiting};

use Class::{Other, Throttled, Unavailable};

fn server() -> String {
    "hub:8884".into()
}

fn connack(version: MqttVersion, code: u8) -> Error {
    Error::ConnectionRefused { server: server(), version, reason: Reason::of_connack(version, code, None) }
}

fn disconnect(reason: Option<Reason>) -> Error {
    Error::Closed { server: server(), waiting: Waiting::Answer, reason }
}

fn class(error: &Error) -> Class {
    let (hub, service) = (of_hub(error), of_service(error));
    assert_eq!(hub.class, service.class, "{error}");
    assert_eq!((hub.retry_after, hub.register, service.instead), (None, false, None), "{error}");
    hub.class
}

fn refusal(status: u16, action: Action, retry_after: Option<u32>) -> Failure {
    of_refusal(&Rejected {
        status,
        error_code: u32::from(status) * 1000 + 1,
        message: "because".into(),
        action,
        retry_after,
        tracking_id: TrackingId::from_bytes([7; 16]),
        candidates: None,
        rid: None,
    })
}

#[test]
fn what_keeps_a_server_from_answering_makes_it_unavailable() {
    let io = |kind: ErrorKind| Error::Io { server: server(), waiting: Waiting::Answer, source: kind.into() };
    let errors = [
        Error::Resolve { server: server(), source: ErrorKind::NotFound.into() },
        Error::Connect { server: server(), source: ErrorKind::ConnectionRefused.into() },
        Error::TimedOut { server: server(), waiting: Waiting::TcpConnection, after: Duration::from_secs(1) },
        Error::TimedOut { server: server(), waiting: Waiting::PingResp, after: Duration::from_secs(1) },
        io(ErrorKind::ConnectionReset),
        io(ErrorKind::NetworkUnreachable),
        disconnect(None),
    ];
    for error in errors {
        assert_eq!(class(&error), Unavailable, "{error}");
    }
}

#[test]
fn own_files_and_tokens_that_cannot_be_used_are_tried_again() {
    assert_eq!(class(&Error::Setup(SetupError::ClientId)), Unavailable);
    assert_eq!(class(&Error::Signing { server: server(), message: "no token".into() }), Unavailable);
}

#[test]
fn a_server_whose_certificate_is_not_valid_yet_never_leads_to_a_registration() {
    let (not_before, now) = (Timestamp::from_secs(1_700_000_000), Timestamp::from_secs(0));
    assert_eq!(class(&Error::ServerNotYetValid { server: server(), not_before, now }), Unavailable);
}

#[test]
fn failures_of_trust_and_of_the_protocol_are_other_errors() {
    let (not_after, now) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
    let errors = [
        Error::ServerExpired { server: server(), not_after, now },
        Error::ServerNotTrusted { server: server(), reason: "expired".into(), roots: "root.pem".into() },
        Error::CertificateRefused { server: server(), alert: "CertificateUnknown".into() },
        Error::Tls { server: server(), message: "no shared cipher".into() },
        Error::Protocol { server: server(), message: "HTTP".into() },
        Error::MalformedAnswer {
            server: server(),
            topic: "$provisioning/register/accepted",
            source: DecodeError::TooLarge { len: 20_000 },
        },
        Error::RequestTooLarge { len: 20_000 },
    ];
    for error in errors {
        assert_eq!(class(&error), Other, "{error}");
    }
}

#[test]
fn connack_3_is_unavailable_and_every_other_code_of_mqtt_3_1_1_is_a_refusal() {
    for version in [MqttVersion::V311, MqttVersion::V5] {
        for code in 0..0x80 {
            let expected = if code == 3 { Unavailable } else { Other };
            assert_eq!(class(&connack(version, code)), expected, "{version} {code}");
        }
    }
}

#[test]
fn the_codes_of_mqtt_5_have_one_class_in_every_packet() {
    for code in 0x80..=u8::MAX {
        let expected = match code {
            0x80 | 0x83 | 0x88 | 0x89 | 0x8b | 0x8d | 0x8e | 0xa0 => Unavailable,
            0x96 | 0x97 | 0x9f => Throttled,
            _ => Other,
        };
        let reason = Reason::of_v5(code, None);
        let errors = [
            connack(MqttVersion::V5, code),
            disconnect(Some(reason.clone())),
            Error::SubscriptionRefused { server: server(), filter: "$iothub/twin/res/#", reason: reason.clone() },
            Error::PublicationRefused { server: server(), topic: "$provisioning/register", reason },
        ];
        for error in errors {
            assert_eq!(class(&error), expected, "{error}");
        }
    }
}

#[test]
fn a_disconnect_with_a_code_that_is_no_error_is_a_lost_connection() {
    for code in 0..0x80 {
        assert_eq!(class(&disconnect(Some(Reason::of_v5(code, None)))), Unavailable, "{code}");
    }
}

#[test]
fn a_subscription_that_a_3_1_1_hub_refuses_without_a_reason_is_tried_again() {
    let reason = Reason::of_suback(MqttVersion::V311, 0x80, None);
    let error = Error::SubscriptionRefused { server: server(), filter: "$iothub/twin/res/#", reason };
    assert_eq!(class(&error), Unavailable);
}

#[test]
fn a_publication_that_nobody_listens_for_is_an_other_error() {
    let reason = Reason::of_v5(0x10, None);
    assert_eq!(class(&Error::PublicationRefused { server: server(), topic: "$provisioning/status", reason }), Other);
}

#[test]
fn a_hubs_server_reference_is_handed_on_and_the_services_is_not() {
    for code in [0x9c, 0x9d] {
        let reason = Reason::of_v5(code, None).instead(Some("other:8884".into()));
        let refused = Error::ConnectionRefused { server: server(), version: MqttVersion::V5, reason: reason.clone() };
        for error in [refused, disconnect(Some(reason))] {
            assert_eq!(of_hub(&error).instead.as_deref(), Some("other:8884"));
            assert_eq!((of_hub(&error).class, of_service(&error).instead), (Other, None));
        }
    }
}

#[test]
fn a_429_carries_its_retry_after() {
    let failure = refusal(429, Action::Retry, Some(17));
    assert_eq!((failure.class, failure.retry_after), (Throttled, Some(Duration::from_secs(17))));
}

#[test]
fn a_5xx_is_unavailable_whatever_the_action() {
    for action in [Action::Retry, Action::Reregister, Action::Stop] {
        for status in [500, 502, 503, 504, 599] {
            let failure = refusal(status, action, None);
            assert_eq!((failure.class, failure.register), (Unavailable, false), "{status} {action:?}");
        }
    }
}

#[test]
fn a_conflict_that_may_be_retried_is_unavailable() {
    assert_eq!(refusal(409, Action::Retry, Some(2)).class, Unavailable);
    assert_eq!(refusal(409, Action::Stop, None).class, Other);
}

#[test]
fn a_device_that_the_service_does_not_know_may_register() {
    for failure in [
        refusal(404, Action::Reregister, None),
        refusal(404, Action::Stop, None),
        refusal(410, Action::Reregister, None),
    ] {
        assert_eq!((failure.class, failure.register), (Other, true));
    }
}

#[test]
fn the_rest_ends_the_attempt() {
    for status in [0, 200, 400, 401, 403, 412, 413, 451, 600, u16::MAX] {
        let failure = refusal(status, Action::Stop, None);
        assert_eq!((failure.class, failure.register), (Other, false), "{status}");
    }
}

#[test]
fn every_error_code_of_the_protocol_has_the_class_of_its_action() {
    for code in ErrorCode::ALL {
        let failure = refusal(code.status(), code.action(), None);
        match code.action() {
            Action::Retry => assert_ne!(failure.class, Other, "{code:?}"),
            Action::Reregister => assert!(failure.register, "{code:?}"),
            Action::Stop => assert_eq!((failure.class, failure.register), (Other, false), "{code:?}"),
        }
    }
}

#[test]
fn a_twins_status_is_judged_as_the_services() {
    for (status, expected) in
        [(429, Throttled), (500, Unavailable), (503, Unavailable), (400, Other), (412, Other), (0, Other)]
    {
        assert_eq!(of_twin_status(status, "why").class, expected, "{status}");
    }
}

#[test]
fn the_message_names_the_causes_behind_the_error() {
    let error = Error::Connect { server: server(), source: ErrorKind::ConnectionRefused.into() };
    assert_eq!(of_hub(&error).message, "cannot connect to hub:8884: connection refused");
    assert!(
        refusal(401, Action::Stop, None).message.starts_with("the service refused: 401 because (401001, trackingId ")
    );
}
