//! What a scripted broker answers to a publication: as the service and as a hub.

use firsthop_protocol::body::{EnrollmentName, RegistrationStatus, Substatus};
use firsthop_protocol::topic::{self, Suffix};
use firsthop_protocol::{
    Accepted, Answer as Body, DeviceId, ETag, Format, GroupId, OperationId, Pending, RegisterRequest, RegistrationId,
    Rejected, RequestId, StatusRequest, Timestamp, TrackingId, codec, hub_topic,
};
use serde_json::Value;

use super::{Reply, Script};
use crate::Message;

#[derive(Default)]
pub(super) struct Answer {
    /// The PUBACK's code; `None`: none.
    pub puback: Option<u8>,
    pub publication: Option<Message>,
    /// What the device learns by it that decides what it does next.
    pub told: Option<String>,
    /// The connection ends.
    pub ends: bool,
}

pub(super) fn answer(script: &mut Script, message: &Message) -> Answer {
    if let Some((request, _)) = topic::Request::parse(&message.topic) {
        return provisioning(script, request, message);
    }
    if message.topic.contains("/messages/events/") {
        let puback = script.telemetry.take();
        let told = (puback != Some(0)).then(|| format!("PUBACK {puback:?}"));
        return Answer { puback, told, ..Answer::default() };
    }
    match hub_topic::Request::parse(&message.topic) {
        Ok(hub_topic::Request::TwinGet { rid }) => {
            let status = script.twin_get.take();
            twin(status, rid, None, &script.twin)
        }
        Ok(hub_topic::Request::TwinReport { rid, .. }) => {
            let status = script.twin_report.take();
            let version = (status < 300).then(|| report(&mut script.twin, &message.json()));
            twin(status, rid, version, &Value::Null)
        }
        _ => Answer { puback: Some(0), ..Answer::default() },
    }
}

/// Merges a patch into the reported properties, member by member; gives their version.
fn report(twin: &mut Value, patch: &Value) -> u64 {
    let reported = twin["reported"].as_object_mut().expect("reported properties");
    for (name, value) in patch.as_object().expect("a patch") {
        if value.is_null() {
            reported.remove(name);
        } else {
            reported.insert(name.clone(), value.clone());
        }
    }
    let version = reported["$version"].as_u64().expect("a version") + 1;
    reported.insert("$version".to_owned(), version.into());
    version
}

fn twin(status: u16, rid: &str, version: Option<u64>, body: &Value) -> Answer {
    let payload = match status {
        200 => body.to_string(),
        ..300 => String::new(),
        _ => {
            format!(r#"{{"errorCode":{},"message":"as the script says","retryAfter":5}}"#, u32::from(status) * 1000 + 1)
        }
    };
    let topic = hub_topic::twin_answer(status, rid, version);
    let told = (status >= 300).then(|| format!("twin answer {status}"));
    Answer { puback: Some(0), publication: Some(Message::new(&topic, payload)), told, ends: false }
}

fn provisioning(script: &mut Script, request: topic::Request, message: &Message) -> Answer {
    let format = Format::sniff(&message.payload).expect("JSON or CBOR");
    let (reply, rid) = match request {
        topic::Request::Register => {
            let body: RegisterRequest = codec::decode(&message.payload, format).expect("a registration");
            (script.register.take(), body.rid)
        }
        topic::Request::Status => {
            let body: StatusRequest = codec::decode(&message.payload, format).expect("a look-up");
            (script.status.take(), body.rid)
        }
    };
    let say = |suffix, body: Vec<u8>| Some(Message::new(topic::answer(request, suffix), body));
    let body = |body: &Body| codec::encode(body, format);
    let told = Some(format!("{reply:?}"));
    let publication = match reply {
        Reply::HangUp => return Answer { told, ends: true, ..Answer::default() },
        Reply::Silent => None,
        Reply::Garbled => say(Suffix::Accepted, br#"{"status":"well"}"#.to_vec()),
        Reply::Assigned(hub) => say(Suffix::Accepted, body(&accepted(hub, rid))),
        Reply::Pending { retry_after } => say(Suffix::Pending, body(&pending(retry_after, rid))),
        Reply::Rejected { status, action, retry_after } => {
            let rejected = Rejected {
                status,
                error_code: u32::from(status) * 1000 + 1,
                message: "as the script says".into(),
                action,
                retry_after,
                tracking_id: TrackingId::from_bytes([7; 16]),
                candidates: None,
                rid,
            };
            say(Suffix::Rejected, body(&Body::Rejected(rejected)))
        }
    };
    Answer { puback: Some(0), publication, told, ends: false }
}

fn accepted(hub: String, rid: Option<RequestId>) -> Body {
    Body::Accepted(Box::new(Accepted {
        status: 200,
        state: RegistrationStatus::Assigned,
        substatus: Some(Substatus::InitialAssignment),
        step: None,
        registration_id: RegistrationId::parse(DEVICE).expect("an id"),
        device_id: DeviceId::parse(DEVICE).expect("an id"),
        assigned_hub: Some(hub),
        operation_id: Some(OperationId::from_bytes([1; 16])),
        etag: ETag::new(9),
        created: Timestamp::from_secs(1),
        last_updated: Timestamp::from_secs(2),
        enrollment: EnrollmentName::Group(GroupId::parse("factory").expect("an id")),
        payload: None,
        resources: None,
        error_code: None,
        error_message: None,
        candidates: None,
        rid,
    }))
}

/// Every device is this one.
const DEVICE: &str = "dev-1";

fn pending(retry_after: u32, rid: Option<RequestId>) -> Body {
    Body::Pending(Pending {
        status: 202,
        state: RegistrationStatus::Assigning,
        step: "copied".into(),
        operation_id: OperationId::from_bytes([1; 16]),
        retry_after,
        rid,
    })
}
