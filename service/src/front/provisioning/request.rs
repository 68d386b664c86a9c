//! The reserved tree `$provisioning/`: from a publication to the provisioner, and from its outcome to whoever listens.
//!
//! An answer goes (1) to the MQTT 5 Response Topic, (2) to the split topics, (3) to `response`, whichever this connection subscribes
//! to; else to another connection of the same identity; else it is kept for a moment. One copy, ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::body::{DEFAULT_WAIT, MAX_WAIT};
use firsthop_protocol::codec::DecodeError;
use firsthop_protocol::topic::{self, Answers, Request};
use firsthop_protocol::{ErrorCode, Format, OperationId, RegisterRequest, RequestId, StatusRequest, codec};
use futures_util::{FutureExt, StreamExt};
use rustls::pki_types::CertificateDer;
use tracing::{Instrument, Span};

use super::super::answer::{self, AnswerMessage, Asked};
use super::super::codec::{AckReason, DisconnectReason, Publish, PublishProperties, QoS, Version};
use super::super::identity::Identity;
use super::super::session::{End, Session};
use super::Provisioning;
use crate::domain::refusal::Refusal;
use crate::provisioner::Granted;

type Outcome = Result<Granted, Refusal>;
type Operation = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How far an operation came that a session waits for.
pub enum Progress {
    Done {
        asked: Asked,
        outcome: Box<Outcome>,
    },
    /// The device does not want to wait longer; the operation goes on.
    StillWorking {
        asked: Asked,
        operation: OperationId,
        rest: Operation,
    },
}

impl Session<Provisioning> {
    /// A request. It is acknowledged first, then answered.
    pub(super) fn on_request(
        &mut self,
        publish: &Publish,
        request: Request,
        topic_format: Option<Format>,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), End> {
        let mut asked = self.asked(publish, request);
        self.acknowledge(
            publish,
            if self.anyone_listens(&asked) { AckReason::Success } else { AckReason::NoMatchingSubscribers },
        );
        let format = match format_of(publish, topic_format) {
            Ok(format) => format,
            Err(refusal) => {
                self.refuse(asked, &refusal);
                return self.stay_or_leave(chain);
            }
        };
        asked.format = format;
        match request {
            Request::Status => match codec::decode::<StatusRequest>(&publish.payload, format) {
                Ok(body) => {
                    asked.rid.clone_from(&body.rid);
                    match self.role.identity.proof(&self.role.door.provisioner, chain) {
                        Ok(proof) => {
                            let provisioner = &self.role.door.provisioner;
                            let outcome = provisioner.look_up(proof, &body);
                            // Measuring is worth it where the answer says what to measure, registered or not.
                            if body.candidates == Some(true) && outcome.as_ref().map_or_else(is_unregistered, |_| true)
                            {
                                asked.candidates = Some(provisioner.candidates(proof));
                            }
                            self.finish(asked, outcome);
                        }
                        Err(refusal) => {
                            let refusal = refusal.clone();
                            self.refuse(asked, &refusal);
                        }
                    }
                }
                Err(error) => self.refuse_body(asked, &error, chain),
            },
            Request::Register => match codec::decode::<RegisterRequest>(&publish.payload, format) {
                Ok(body) => {
                    asked.rid.clone_from(&body.rid);
                    self.register(asked, body, chain);
                }
                Err(error) => self.refuse_body(asked, &error, chain),
            },
        }
        self.stay_or_leave(chain)
    }

    fn register(&mut self, mut asked: Asked, body: RegisterRequest, chain: &[CertificateDer<'_>]) {
        let proof = match self.role.identity.proof(&self.role.door.provisioner, chain) {
            Ok(proof) => proof.clone(),
            Err(refusal) => {
                let refusal = refusal.clone();
                return self.refuse(asked, &refusal);
            }
        };
        let wait = match body.wait.unwrap_or(DEFAULT_WAIT) {
            wait if wait > MAX_WAIT => {
                let refusal =
                    Refusal::new(ErrorCode::InvalidField, format!("wait: at most {MAX_WAIT} seconds, not {wait}"));
                return self.refuse(asked, &refusal);
            }
            wait => Duration::from_secs(wait.into()),
        };
        if body.token.is_some() {
            let refusal =
                Refusal::new(ErrorCode::InvalidField, "token: this connection is authenticated by its certificate");
            return self.refuse(asked, &refusal);
        }
        let (provisioner, operation) = (self.role.door.provisioner.clone(), OperationId::random());
        asked.span = tracing::info_span!("registration", registration_id = %proof.id, enrollment = %proof.enrollment.name,
            operation_id = %operation, rid = body.rid.as_ref().map(RequestId::as_str));
        let span = asked.span.clone();
        let mut work: Operation =
            Box::pin(async move { provisioner.register(&proof, Arc::new(body), operation).await }.instrument(span));
        // Most registrations change nothing and are done at once.
        if let Some(outcome) = work.as_mut().now_or_never() {
            return self.finish(asked, outcome);
        }
        self.under_way.push(Box::pin(async move {
            match tokio::time::timeout(wait, &mut work).await {
                Ok(outcome) => Progress::Done { asked, outcome: Box::new(outcome) },
                Err(_) => Progress::StillWorking { asked, operation, rest: work },
            }
        }));
    }

    pub(super) fn on_progress(&mut self, progress: Progress) {
        match progress {
            Progress::Done { asked, outcome } => self.finish(asked, *outcome),
            Progress::StillWorking { asked, operation, rest } => {
                let device = self.role.identity.principal();
                let step = device.map_or("commit", |device| self.role.door.provisioner.step(device));
                self.send_answer(answer::pending(asked.clone(), operation, step));
                self.under_way.push(Box::pin(async move { Progress::Done { outcome: Box::new(rest.await), asked } }));
            }
        }
    }

    /// After the connection's end: carries what is under way to its end, for another connection or a later one.
    pub(super) async fn hand_over_answers(mut self) {
        let (Some(device), Some(number)) = (self.role.identity.principal().cloned(), self.role.number) else { return };
        self.role.answers.clear();
        for message in self.role.post.mailbox.close() {
            self.role.door.registry.deliver_or_keep(&device, number, message, self.role.door.provisioner.now());
        }
        while let Some(progress) = self.under_way.next().await {
            // Nobody waits for a "pending" any more.
            if let Progress::StillWorking { asked, rest, .. } = progress {
                self.under_way.push(Box::pin(async move { Progress::Done { outcome: Box::new(rest.await), asked } }));
            } else {
                self.on_progress(progress);
            }
        }
    }

    fn asked(&self, publish: &Publish, request: Request) -> Asked {
        let properties = publish.properties.as_deref();
        Asked {
            request,
            format: Format::Json,
            rid: None,
            candidates: None,
            span: Span::none(),
            response_topic: properties.and_then(|properties| properties.response_topic.as_deref()).map(Into::into),
            // Small, but a slice of the read buffer, which it must not keep alive.
            correlation: properties
                .and_then(|p| p.correlation_data.as_ref())
                .map(|data| bytes::Bytes::copy_from_slice(data)),
        }
    }

    fn finish(&mut self, asked: Asked, outcome: Outcome) {
        let span = asked.span.clone();
        let _entered = span.enter();
        match outcome {
            Ok(granted) => {
                log_granted(asked.request, &granted);
                self.send_answer(answer::accepted(asked, granted));
            }
            Err(refusal) => self.refuse(asked, &refusal),
        }
    }

    fn refuse(&mut self, asked: Asked, refusal: &Refusal) {
        let message = match self.role.identity.id() {
            Some(id) => answer::rejected(asked, refusal, id),
            None => answer::rejected(asked, refusal, &"(unproven)"),
        };
        self.send_answer(message);
    }

    fn refuse_body(&mut self, asked: Asked, error: &DecodeError, chain: &[CertificateDer<'_>]) {
        // Whoever has no enrollment learns that first, whatever it sent.
        let refusal = match (self.role.identity.proof(&self.role.door.provisioner, chain), error) {
            (Err(refusal), _) => refusal.clone(),
            (Ok(_), DecodeError::TooLarge { .. }) => Refusal::new(ErrorCode::TooLarge, error.to_string()),
            (Ok(_), DecodeError::Malformed { .. }) => Refusal::new(ErrorCode::MalformedBody, error.to_string()),
        };
        self.refuse(asked, &refusal);
    }

    /// A session without a proven enrollment ends with the refusal.
    fn stay_or_leave(&mut self, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        if let Err(refusal) = self.role.identity.proof(&self.role.door.provisioner, chain) {
            let end = End::fault(DisconnectReason::NotAuthorized, refusal.message.clone());
            self.end_with(end);
        }
        Ok(())
    }

    fn anyone_listens(&self, asked: &Asked) -> bool {
        let wanted = Answers::of_request(asked.request);
        let on_response_topic = asked.response_topic.as_deref().is_some_and(|topic| self.topic_qos(topic).is_some());
        on_response_topic
            || self.role.listening().intersects(wanted)
            || match (self.role.identity.principal(), self.role.number) {
                (Some(device), Some(number)) => self.role.door.registry.has_listener(device, number, wanted),
                _ => false,
            }
    }

    /// Sends an answer to this client, or to whoever else of the same identity listens.
    pub(super) fn send_answer(&mut self, message: AnswerMessage) {
        let own = message
            .response_topic
            .as_deref()
            .and_then(|topic| Some((topic.to_owned(), self.topic_qos(topic)?)))
            .or_else(|| {
                let topic = message.topic_among(self.role.listening())?;
                Some((topic.to_owned(), self.topic_qos(topic)?))
            });
        if let Some((topic, qos)) = own {
            let properties = (self.version == Version::V5).then(|| {
                let subscription_identifiers = self.subscription_identifiers(&topic);
                Box::new(PublishProperties { subscription_identifiers, ..message.properties() })
            });
            return self.send(Publish {
                qos: qos.min(QoS::AtLeastOnce),
                topic,
                payload: message.body,
                properties,
                ..Publish::default()
            });
        }
        if let (Identity::Device { principal, .. }, Some(number)) = (&self.role.identity, self.role.number) {
            self.role.door.registry.deliver_or_keep(principal, number, message, self.role.door.provisioner.now());
        }
    }

    /// Delivers the answer that came before this session's subscription.
    pub(super) fn send_kept_answer(&mut self) {
        if let Some(device) = self.role.identity.principal()
            && let Some(message) =
                self.role.door.registry.take_kept(device, self.role.listening(), self.role.door.provisioner.now())
        {
            self.send_answer(message);
        }
    }

    /// The identifiers of the subscriptions that an answer satisfies ([MQTT-3.3.4-3]).
    fn subscription_identifiers(&self, topic: &str) -> Vec<u32> {
        let Some((request, suffix)) = topic::parse_answer(topic) else { return Vec::new() };
        let matching = self.role.answers.iter().filter(|filter| filter.answers.contains(request, suffix));
        matching.filter_map(|filter| filter.identifier).collect()
    }

    /// The QoS at which this client subscribes to a topic; `None` when it does not.
    fn topic_qos(&self, topic: &str) -> Option<QoS> {
        match topic::parse_answer(topic) {
            Some((request, suffix)) => self
                .role
                .answers
                .iter()
                .filter(|filter| filter.answers.contains(request, suffix))
                .map(|filter| filter.qos)
                .max(),
            None => self.ordinary.qos_of(topic),
        }
    }
}

fn is_unregistered(refusal: &Refusal) -> bool {
    refusal.code == ErrorCode::NotRegistered
}

fn format_of(publish: &Publish, topic_format: Option<Format>) -> Result<Format, Refusal> {
    let content_type = publish.properties.as_deref().and_then(|properties| properties.content_type.as_deref());
    match (content_type, topic_format) {
        (Some(content_type), _) => Format::from_content_type(content_type).ok_or_else(|| {
            Refusal::new(
                ErrorCode::UnsupportedFormat,
                "the content type is neither application/json nor application/cbor",
            )
        }),
        (None, Some(format)) => Ok(format),
        (None, None) => Format::sniff(&publish.payload).ok_or_else(|| {
            Refusal::new(ErrorCode::UnsupportedFormat, "the body begins neither like a JSON object nor like a CBOR map")
        }),
    }
}

fn log_granted(request: Request, granted: &Granted) {
    let registration = &granted.registration;
    let hub = granted.assigned_hub.as_deref().unwrap_or_default();
    // What changes nothing would fill the log of a fleet that restarts.
    match request {
        Request::Register if granted.changed => {
            tracing::info!(registration_id = %registration.id, enrollment = %registration.enrollment, hub, etag = %granted.etag,
                operation_id = %granted.operation, "registered");
        }
        Request::Register => tracing::debug!(registration_id = %registration.id, hub, "registered, unchanged"),
        Request::Status => tracing::debug!(registration_id = %registration.id, hub, "looked up"),
    }
}
