//! Answers: from an outcome to the message that a device gets, and the log line that the operator gets.

use std::sync::Arc;

use bytes::Bytes;
use firsthop_protocol::body::{EnrollmentName, RegistrationStatus};
use firsthop_protocol::topic::{self, Answers, Request, Suffix};
use firsthop_protocol::{Accepted, Action, Answer, ErrorCode, Format, OperationId, Pending, Rejected, RequestId, TrackingId, codec};

use super::codec::PublishProperties;
use crate::domain::refusal::Refusal;
use crate::domain::registration::State;
use crate::provisioner::Granted;

/// What a device asked, as far as the answer depends on it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub request: Request,
    pub format: Format,
    pub rid: Option<RequestId>,
    /// MQTT 5 Response Topic, where it is one that this device may listen to.
    pub response_topic: Option<Arc<str>>,
    pub correlation: Option<Bytes>,
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
        State::Assigned { substatus, .. } => (RegistrationStatus::Assigned, Some(substatus), None, None),
        State::Failed { code, message } => (RegistrationStatus::Failed, None, Some(code.number()), Some(message)),
    };
    let answer = Answer::Accepted(Box::new(Accepted {
        status: 200,
        state,
        substatus,
        registration_id: registration.id,
        device_id: registration.device_id,
        assigned_hub: granted.assigned_hub,
        operation_id: Some(granted.operation),
        etag: granted.etag,
        created: registration.created,
        last_updated: registration.updated,
        enrollment: registration.enrollment,
        payload: None,
        resources: None,
        error_code,
        error_message,
        rid: asked.rid.clone(),
    }));
    AnswerMessage::new(asked, Suffix::Accepted, &answer)
}

/// The answer when the time that the device wanted to wait has run out.
pub fn pending(asked: Asked, operation: OperationId) -> AnswerMessage {
    let answer = Answer::Pending(Pending {
        status: 202,
        state: RegistrationStatus::Assigning,
        step: "commit".to_owned(),
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
        rid: asked.rid.clone(),
    });
    AnswerMessage::new(asked, Suffix::Rejected, &answer)
}

/// Seconds to wait where nothing better is known.
const DEFAULT_RETRY: u32 = 5;

fn log_refusal(refusal: &Refusal, registration_id: &dyn std::fmt::Display, tracking_id: TrackingId, request: Request) {
    let enrollment = refusal.enrollment.as_ref().map(EnrollmentName::to_string).unwrap_or_default();
    let (code, reason, told, detail) = (refusal.code.number(), refusal.code.name(), refusal.message.as_str(), refusal.detail.as_str());
    // Faults of ours need somebody to look; a refused or throttled device is the rules at work.
    if refusal.code.status() >= 500 && refusal.code != ErrorCode::Draining {
        tracing::warn!(%registration_id, ?request, code, reason, enrollment, told, detail, %tracking_id, "refused");
    } else {
        tracing::info!(%registration_id, ?request, code, reason, enrollment, told, detail, %tracking_id, "refused");
    }
}
