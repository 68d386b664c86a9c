//! Answers: from an outcome to the message that a device gets, and the log line that the operator gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use firsthop_protocol::body::{EnrollmentName, RegistrationStatus};
use firsthop_protocol::document::{Any, Document};
use firsthop_protocol::topic::{self, Answers, Request, Suffix};
use firsthop_protocol::{
    Accepted, Action, Answer, ErrorCode, Format, HubName, OperationId, Pending, Rejected, RequestId, TrackingId, codec,
};

use serde_json::json;
use tracing::Span;

use super::codec::PublishProperties;
use crate::domain::hub_device::Resources;
use crate::domain::refusal::Refusal;
use crate::domain::registration::State;
use crate::provisioner::Granted;

/// What a device asked, as far as the answer depends on it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub request: Request,
    pub format: Format,
    pub rid: Option<RequestId>,
    /// The hubs that the device may be assigned to, where it asked for them.
    pub candidates: Option<BTreeMap<HubName, String>>,
    /// MQTT 5 Response Topic, where it is one that this device may listen to.
    pub response_topic: Option<Arc<str>>,
    pub correlation: Option<Bytes>,
    /// Of the registration, for what is logged about it.
    pub span: Span,
}

/// An answer ready to be sent.
#[derive(Debug, Clone)]
pub struct AnswerMessage {
    pub request: Request,
    pub suffix: Suffix,
    pub format: Format,
    pub body: Bytes,
    pub response_topic: Option<Arc<str>>,
    pub correlation: Option<Bytes>,
    status: u16,
    retry_after: Option<u32>,
    tracking: Option<TrackingId>,
}

impl AnswerMessage {
    fn new(asked: Asked, suffix: Suffix, answer: &Answer) -> Self {
        let (retry_after, tracking) = match answer {
            Answer::Accepted(_) => (None, None),
            Answer::Pending(pending) => (Some(pending.retry_after), None),
            Answer::Rejected(rejected) => (rejected.retry_after, Some(rejected.tracking_id)),
        };
        Self {
            request: asked.request,
            suffix,
            format: asked.format,
            body: codec::encode(answer, asked.format).into(),
            response_topic: asked.response_topic,
            correlation: asked.correlation,
            status: answer.status(),
            retry_after,
            tracking,
        }
    }

    /// The topic on which a listener to these answers gets this one: its own, else the common one.
    pub fn topic_among(&self, answers: Answers) -> Option<&'static str> {
        [self.suffix, Suffix::Response]
            .into_iter()
            .find(|suffix| answers.contains(self.request, *suffix))
            .map(|suffix| topic::answer(self.request, suffix))
    }

    /// The properties that MQTT 5 clients get with it.
    pub fn properties(&self) -> PublishProperties {
        let mut user_properties = vec![("status".to_owned(), self.status.to_string())];
        user_properties.extend(self.retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
        user_properties.extend(self.tracking.map(|tracking| ("tracking-id".to_owned(), tracking.to_string())));
        PublishProperties {
            payload_format_indicator: (self.format == Format::Json).then_some(1),
            content_type: Some(self.format.content_type().to_owned()),
            correlation_data: self.correlation.clone(),
            user_properties,
            ..PublishProperties::default()
        }
    }
}

/// The final answer to an operation that was carried out.
pub fn accepted(asked: Asked, granted: Granted) -> AnswerMessage {
    let registration = granted.registration;
    let (state, substatus, error_code, error_message) = match registration.state {
        _ if granted.moving.is_some() => (RegistrationStatus::Assigning, None, None, None),
        State::Assigned { substatus, .. } => (RegistrationStatus::Assigned, Some(substatus), None, None),
        State::Failed { code, message } => (RegistrationStatus::Failed, None, Some(code.number()), Some(message)),
    };
    let answer = Answer::Accepted(Box::new(Accepted {
        status: 200,
        state,
        substatus,
        step: granted.moving.map(|step| step.name().to_owned()),
        registration_id: registration.id,
        device_id: registration.device_id,
        assigned_hub: granted.assigned_hub,
        operation_id: Some(granted.operation),
        etag: granted.etag,
        created: registration.created,
        last_updated: registration.updated,
        enrollment: registration.enrollment,
        payload: registration.payload.map(Any),
        resources: granted.resources.map(resources),
        error_code,
        error_message,
        candidates: asked.candidates.clone(),
        rid: asked.rid.clone(),
    }));
    AnswerMessage::new(asked, Suffix::Accepted, &answer)
}

/// What is allocated for the device on its hub (rule A5), as it is told. Times are in seconds.
fn resources(Resources { command_queue, events }: Resources) -> Document {
    let queue = json!({
        "messages": command_queue.messages,
        "bytes": command_queue.bytes,
        "expiry": command_queue.expiry.as_secs(),
    });
    let storage = json!({"messages": events.messages, "bytes": events.bytes});
    Document([("commandQueue".to_owned(), queue), ("eventStorage".to_owned(), storage)].into_iter().collect())
}

/// The answer when the time that the device wanted to wait has run out.
pub fn pending(asked: Asked, operation: OperationId, step: &str) -> AnswerMessage {
    let answer = Answer::Pending(Pending {
        status: 202,
        state: RegistrationStatus::Assigning,
        step: step.to_owned(),
        operation_id: operation,
        retry_after: 1,
        rid: asked.rid.clone(),
    });
    AnswerMessage::new(asked, Suffix::Pending, &answer)
}

/// A refusal. The device gets the class and the tracking id; the log has the whole reason under that id.
pub fn rejected(asked: Asked, refusal: &Refusal, registration_id: &dyn std::fmt::Display) -> AnswerMessage {
    let tracking_id = TrackingId::random();
    log_refusal(refusal, registration_id, tracking_id, asked.request);
    let answer = Answer::Rejected(Rejected {
        status: refusal.code.status(),
        error_code: refusal.code.number(),
        message: refusal.message.clone(),
        action: refusal.code.action(),
        retry_after: match refusal.code.action() {
            Action::Retry => Some(refusal.retry_after.unwrap_or(DEFAULT_RETRY)),
            Action::Reregister | Action::Stop => None,
        },
        tracking_id,
        candidates: asked.candidates.clone(),
        rid: asked.rid.clone(),
    });
    AnswerMessage::new(asked, Suffix::Rejected, &answer)
}

/// Seconds to wait where nothing better is known.
const DEFAULT_RETRY: u32 = 5;

fn log_refusal(refusal: &Refusal, registration_id: &dyn std::fmt::Display, tracking_id: TrackingId, request: Request) {
    let enrollment = refusal.enrollment.as_ref().map(EnrollmentName::to_string).unwrap_or_default();
    let (code, reason, told, detail) =
        (refusal.code.number(), refusal.code.name(), refusal.message.as_str(), refusal.detail.as_str());
    // Faults of ours need somebody to look; a refused or throttled device is the rules at work.
    if refusal.code.status() >= 500 && refusal.code != ErrorCode::Draining {
        tracing::warn!(%registration_id, ?request, code, reason, enrollment, told, detail, %tracking_id, "refused");
    } else {
        tracing::info!(%registration_id, ?request, code, reason, enrollment, told, detail, %tracking_id, "refused");
    }
}

#[cfg(test)]
mod tests {
    use firsthop_protocol::body::Substatus;
    use firsthop_protocol::{DeviceId, ETag, GroupId, RegistrationId, Timestamp};
    use serde_json::Value;

    use super::*;
    use crate::domain::attestation::Thumbprint;
    use crate::domain::registration::Registration;
    use crate::domain::transfer::Step;

    fn asked() -> Asked {
        Asked {
            request: Request::Register,
            format: Format::Json,
            rid: RequestId::parse("r-7").ok(),
            candidates: None,
            response_topic: None,
            correlation: Some(Bytes::from_static(b"\x00\xff")),
            span: tracing::Span::none(),
        }
    }

    fn granted(state: State) -> Granted {
        let id = RegistrationId::parse("dev-1").unwrap();
        let operation = OperationId::from_bytes([1; 16]);
        let registration = Registration {
            device_id: DeviceId::from(&id),
            id,
            enrollment: EnrollmentName::Group(GroupId::parse("line").unwrap()),
            state,
            thumbprint: Thumbprint([7; 32]),
            operation,
            rid: None,
            payload: None,
            told: 0,
            created: Timestamp::from_secs(1),
            updated: Timestamp::from_secs(2),
        };
        Granted {
            registration,
            etag: ETag::new(9),
            assigned_hub: Some("hub.example:8884".into()),
            resources: Some(Resources::default()),
            operation,
            moving: None,
            changed: true,
        }
    }

    fn on_hub() -> State {
        State::Assigned { hub: HubName::parse("hub").unwrap(), substatus: Substatus::InitialAssignment }
    }

    fn body(message: &AnswerMessage) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    fn user_property<'a>(properties: &'a PublishProperties, name: &str) -> Option<&'a str> {
        properties.user_properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn an_accepted_answer_tells_the_assignment_and_echoes_the_request() {
        let message = accepted(asked(), granted(on_hub()));
        let body = body(&message);
        assert_eq!(body["status"], 200);
        assert_eq!(body["state"], "assigned");
        assert_eq!(body["assignedHub"], "hub.example:8884");
        assert_eq!(body["enrollment"], json!({"group": "line"}));
        assert_eq!(body["rid"], "r-7");
        assert!(!String::from_utf8_lossy(&message.body).contains("0707"), "the thumbprint is the service's own");
        let properties = message.properties();
        assert_eq!(properties.correlation_data.as_deref(), Some(&b"\x00\xff"[..]));
        assert_eq!(properties.payload_format_indicator, Some(1));
        assert_eq!(user_property(&properties, "status"), Some("200"));
        assert_eq!(user_property(&properties, "tracking-id"), None);
    }

    #[test]
    fn an_accepted_answer_tells_what_the_hub_allocated_and_the_webhooks_return_data() {
        let registration = Registration { payload: Some(json!({"tier": 2})), ..granted(on_hub()).registration };
        let body = body(&accepted(asked(), Granted { registration, ..granted(on_hub()) }));
        assert_eq!(body["payload"], json!({"tier": 2}));
        assert_eq!(body["resources"]["commandQueue"], json!({"messages": 50, "bytes": 262_144, "expiry": 3600}));
        assert_eq!(body["resources"]["eventStorage"], json!({"messages": 0, "bytes": 262_144}));
    }

    #[test]
    fn a_device_that_is_being_moved_is_assigning_and_learns_the_step() {
        let moving = Granted { assigned_hub: None, resources: None, moving: Some(Step::Fenced), ..granted(on_hub()) };
        let body = body(&accepted(asked(), moving));
        assert_eq!((&body["state"], &body["step"]), (&json!("assigning"), &json!("fenced")));
        assert_eq!((body.get("substatus"), body.get("assignedHub")), (None, None));
    }

    #[test]
    fn candidates_are_told_with_any_answer_to_who_asked_for_them() {
        let candidates = [(HubName::parse("hub").unwrap(), "hub.example:8884".to_owned())].into();
        let asked = || Asked { candidates: Some(BTreeMap::clone(&candidates)), ..asked() };
        let expected = json!({"hub": "hub.example:8884"});
        assert_eq!(body(&accepted(asked(), granted(on_hub())))["candidates"], expected);
        let refusal = Refusal::new(ErrorCode::NotRegistered, "this device is not registered");
        assert_eq!(body(&rejected(asked(), &refusal, &"dev-1"))["candidates"], expected);
    }

    #[test]
    fn a_failed_registration_that_is_looked_up_says_why() {
        let failed = State::Failed { code: ErrorCode::NoHub, message: "no hub can take this device now".into() };
        let message = accepted(asked(), Granted { assigned_hub: None, ..granted(failed) });
        let body = body(&message);
        assert_eq!((&body["state"], &body["errorCode"]), (&json!("failed"), &json!(ErrorCode::NoHub.number())));
        assert_eq!(body["errorMessage"], "no hub can take this device now");
        assert_eq!(body.get("assignedHub"), None);
    }

    #[test]
    fn a_refusal_has_a_wait_exactly_when_asking_again_makes_sense() {
        for code in ErrorCode::ALL {
            let message = rejected(asked(), &Refusal::new(*code, "no").retry_after(7), &"dev-1");
            let (body, properties) = (body(&message), message.properties());
            let retry = code.action() == Action::Retry;
            assert_eq!(body["retryAfter"], if retry { json!(7) } else { Value::Null }, "{}", code.name());
            assert_eq!(user_property(&properties, "retry-after"), retry.then_some("7"), "{}", code.name());
            assert_eq!(body["status"], code.status());
            assert_eq!(user_property(&properties, "status"), Some(code.status().to_string().as_str()));
            let without = self::body(&rejected(asked(), &Refusal::new(*code, "no"), &"dev-1"));
            assert_eq!(without["retryAfter"].is_u64(), retry, "a wait is never left out: {}", code.name());
        }
    }

    #[test]
    fn the_device_is_told_the_message_and_the_tracking_id_but_not_the_detail() {
        let refusal = Refusal::new(ErrorCode::NotEnrolled, "not enrolled").detail("group:secret is disabled");
        let message = rejected(asked(), &refusal, &"dev-1");
        let body = body(&message);
        assert_eq!(body["message"], "not enrolled");
        assert!(!body.to_string().contains("secret"), "{body}");
        assert_eq!(user_property(&message.properties(), "tracking-id"), body["trackingId"].as_str());
    }

    #[test]
    fn a_listener_gets_it_on_the_answers_own_topic_or_else_on_the_common_one() {
        let message = accepted(asked(), granted(on_hub()));
        let on = |filter: &str| message.topic_among(Answers::of_filter(filter).unwrap());
        assert_eq!(on("$provisioning/register/#"), Some("$provisioning/register/accepted"));
        assert_eq!(on("$provisioning/register/response"), Some("$provisioning/register/response"));
        assert_eq!(on("$provisioning/register/rejected"), None);
        assert_eq!(on("$provisioning/status/#"), None);
    }

    #[test]
    fn a_pending_answer_names_the_operation_that_goes_on() {
        let message = pending(asked(), OperationId::from_bytes([1; 16]), "fenced");
        let body = body(&message);
        assert_eq!(
            (&body["status"], &body["state"], &body["step"]),
            (&json!(202), &json!("assigning"), &json!("fenced"))
        );
        assert_eq!(body["operationId"], OperationId::from_bytes([1; 16]).to_string());
        assert_eq!(user_property(&message.properties(), "retry-after"), Some("1"));
    }

    #[test]
    fn a_cbor_answer_says_so_and_is_no_text() {
        let message = accepted(Asked { format: Format::Cbor, ..asked() }, granted(on_hub()));
        let properties = message.properties();
        assert_eq!(properties.content_type.as_deref(), Some(Format::Cbor.content_type()));
        assert_eq!(properties.payload_format_indicator, None);
        let answer: Answer = serde_cbor::from_slice(&message.body).unwrap();
        assert_eq!(answer.status(), 200);
    }
}
