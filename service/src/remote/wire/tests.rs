//! The words of version 1, as they are on the wire.

use serde_json::json;

use crate::domain::ports::HubError;

use super::*;

#[test]
fn the_bodies_of_version_1_stay_as_they_are() {
    let body: Session =
        serde_json::from_value(json!({ "notify": { "reason": "r", "notBefore": null, "spread": 5 } })).unwrap();
    assert!(matches!(body, Session::Notify { spread: 5, .. }));
    let body: Session = serde_json::from_value(json!({ "close": { "movedTo": "h:1" } })).unwrap();
    assert!(matches!(body, Session::Close { moved_to: Some(_) }));
    let fault = Fault {
        operation: Some(firsthop_protocol::OperationId::from_bytes([0; 16])),
        ..Fault::new(FaultCode::NoDevice, "m")
    };
    let text = serde_json::to_value(&fault).unwrap();
    assert_eq!(text["code"], "noDevice");
    let message: Message = serde_json::from_value(
        json!({ "properties": "", "payload": "AP8=", "expires": "2026-11-24T22:00:00.0000000Z" }),
    )
    .unwrap();
    assert_eq!(message.payload, [0, 255]);
    assert_eq!(serde_json::to_value(MethodOutcome::NotConnected).unwrap(), json!("notConnected"));
}

#[test]
fn a_field_that_this_version_does_not_know_is_refused_and_not_dropped() {
    let twin = json!({
        "tags": {},
        "desired": { "properties": {}, "metadata": { "updated": "2026-11-24T22:00:00Z" }, "version": 1 },
        "reported": { "properties": {}, "metadata": { "updated": "2026-11-24T22:00:00Z" }, "version": 1 },
        "version": 1
    });
    assert!(serde_json::from_value::<Twin>(twin.clone()).is_ok());
    let mut newer = twin.clone();
    newer["acls"] = json!([]);
    assert!(serde_json::from_value::<Twin>(newer).is_err());
    let mut newer = twin;
    newer["desired"]["metadata"]["by"] = json!("x");
    assert!(serde_json::from_value::<Twin>(newer).is_err());
}

#[test]
fn every_status_is_that_of_its_fault_and_busy_without_an_operation_is_asked_again() {
    let hub = || "h".parse().unwrap();
    let busy = Fault::new(FaultCode::Busy, "m");
    assert_eq!(busy.status(), 409);
    assert!(matches!(busy.of_hub(hub()), HubError::Unavailable { .. }));
    assert!(matches!(Fault::new(FaultCode::TooSlow, "m").of_hub(hub()), HubError::Unreachable { .. }));
    assert_eq!(Fault::new(FaultCode::NoDevice, "m").status(), 404);
    assert_eq!(Fault::new(FaultCode::Forbidden, "m").status(), 403);
}
