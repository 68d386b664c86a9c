//! What operators are shown, as documents.

use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, GroupId, HubName, OperationId, RegistrationId, Timestamp};
use serde_json::{Value, json};

use crate::admin::{hubs, operations, registrations};
use crate::domain::attestation::Thumbprint;
use crate::domain::hub::HubKind;
use crate::domain::ports::{HubError, HubStatus};
use crate::domain::registration::{Registered, Registration, State};
use crate::domain::transfer::{Step, Transfer, TransferData};
use crate::hub::tests::identity;
use crate::provisioner::operator::{DeclaredHub, EvacuationView, Exchange, HubView, OperationView, RegistrationView};

const AT: Timestamp = Timestamp::from_secs(1_764_000_000);
const TIME: &str = "2025-11-24T16:00:00.0000000Z";
const OPERATION: OperationId = OperationId::from_bytes([1; 16]);
const OPERATION_TEXT: &str = "01010101-0101-0101-0101-010101010101";

fn hub(name: &str) -> HubName {
    HubName::parse(name).unwrap()
}

fn id() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

fn registration(state: State) -> Registration {
    Registration {
        id: id(),
        device_id: DeviceId::from(&id()),
        enrollment: EnrollmentName::Group(GroupId::parse("line-1").unwrap()),
        state,
        thumbprint: Thumbprint([255; 32]),
        operation: OPERATION,
        rid: None,
        payload: Some(json!({ "tenant": 7 })),
        told: 1,
        created: AT,
        updated: AT,
    }
}

fn assigned() -> State {
    State::Assigned { hub: hub("lisbon"), substatus: Substatus::DeviceDataMigrated }
}

fn shown(state: Option<State>, transfer: Option<Transfer>) -> Value {
    let registered = state.map(|state| Registered { registration: registration(state), etag: ETag::new(10) });
    let assigned_hub = registered.is_some().then(|| "lisbon.example:8884".to_owned());
    let view = RegistrationView { registered, transfer, assigned_hub };
    serde_json::to_value(registrations::Document::of(id(), view)).unwrap()
}

fn transfer() -> Transfer {
    Transfer {
        id: OPERATION,
        registration_id: id(),
        from: Some(hub("lisbon")),
        to: hub("oporto"),
        data: TransferData::Carry,
        identity: identity("dev-1"),
        registration: registration(assigned()),
        expected: None,
        step: Step::Copied,
        started: AT,
    }
}

#[test]
fn a_registration_says_where_its_device_is_and_since_when() {
    assert_eq!(
        shown(Some(assigned()), None),
        json!({
            "registrationId": "dev-1",
            "status": "assigned",
            "deviceId": "dev-1",
            "enrollment": { "group": "line-1" },
            "hub": "lisbon",
            "substatus": "deviceDataMigrated",
            "thumbprint": "ff".repeat(32),
            "operationId": OPERATION_TEXT,
            "payload": { "tenant": 7 },
            "createdDateTimeUtc": TIME,
            "lastUpdatedDateTimeUtc": TIME,
            "etag": "a",
            "assignedHub": "lisbon.example:8884",
        })
    );
}

#[test]
fn a_move_under_way_and_a_failure_have_their_own_status() {
    let moving = shown(Some(assigned()), Some(transfer()));
    assert_eq!((&moving["status"], &moving["hub"]), (&json!("assigning"), &json!("lisbon")));
    assert_eq!(
        moving["move"],
        json!({
            "operationId": OPERATION_TEXT,
            "from": "lisbon",
            "to": "oporto",
            "step": "copied",
            "startedDateTimeUtc": TIME,
        })
    );
    assert_eq!(shown(None, Some(transfer()))["status"], "assigning");
    let failed = shown(Some(State::Failed { code: ErrorCode::NoHub, message: "no hub".into() }), None);
    assert_eq!((&failed["status"], &failed["errorCode"]), (&json!("failed"), &json!(503_002)));
    assert_eq!(shown(None, None)["status"], "unassigned");
}

#[test]
fn a_hub_says_how_it_is_or_why_it_does_not() {
    let why = HubError::Unreachable { hub: hub("lisbon"), why: "no route".into() };
    let view = HubView {
        name: hub("lisbon"),
        declared: Some(DeclaredHub {
            address: "lisbon.example:8884".into(),
            kind: HubKind::Remote { url: "https://10.0.0.5:8444".into() },
            weight: 3,
            labels: [("region".to_owned(), "eu".to_owned())].into(),
        }),
        drained: true,
        evacuation: Some(EvacuationView { per_minute: 60, moved: 5, staying: 1, last_error: None }),
        registrations: 8,
        status: Some(Err(why)),
    };
    let document = |view: HubView| serde_json::to_value(hubs::Document::from(view)).unwrap();
    assert_eq!(
        document(view.clone()),
        json!({
            "name": "lisbon",
            "kind": "remote",
            "address": "lisbon.example:8884",
            "remote": "https://10.0.0.5:8444",
            "weight": 3,
            "labels": { "region": "eu" },
            "drained": true,
            "evacuation": { "perMinute": 60, "moved": 5, "staying": 1 },
            "registrations": 8,
            "status": { "error": "hub lisbon cannot be reached: no route" },
        })
    );
    let status = Some(Ok(HubStatus { devices: 8, sessions: 2 }));
    let undeclared = document(HubView { declared: None, evacuation: None, status, ..view });
    assert_eq!(
        (&undeclared["kind"], &undeclared["status"]),
        (&json!("undeclared"), &json!({ "devices": 8, "sessions": 2 }))
    );
}

#[test]
fn an_operation_shows_the_call_of_its_webhook() {
    let webhook = |answer| Exchange { url: "https://hook".into(), request: json!({ "a": 1 }), answer };
    let view = OperationView {
        id: OPERATION,
        registration_id: id(),
        from: None,
        to: None,
        step: None,
        started: AT,
        ended: Some(AT),
        retries: 0,
        error: Some("no hub".into()),
        webhook: Some(webhook(Err("no answer within 5s".into()))),
    };
    let document = |view: OperationView| serde_json::to_value(operations::Document::from(view)).unwrap();
    let ended = document(view.clone());
    assert_eq!(ended["status"], "ended");
    assert_eq!(
        ended["webhook"],
        json!({ "url": "https://hook", "request": { "a": 1 }, "error": "no answer within 5s" })
    );
    let running = document(OperationView { ended: None, webhook: Some(webhook(Ok(json!(7)))), ..view });
    assert_eq!((&running["status"], &running["webhook"]["answer"]), (&json!("running"), &json!(7)));
}
