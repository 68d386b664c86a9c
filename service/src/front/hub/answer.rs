//! Answers to twin requests, refusals among them.

use bytes::Bytes;
use firsthop_protocol::hub_topic::{self, Feed};
use firsthop_protocol::{ErrorCode, TrackingId};
use serde_json::json;

use super::super::codec::{Publish, PublishProperties, QoS, Version};
use super::super::session::Session;
use super::OnHub;
use crate::domain::refusal::Refusal;

/// What an answer needs of its request.
pub struct Asked {
    rid: Box<str>,
    /// MQTT 5 Correlation Data.
    correlation: Option<Bytes>,
}

impl Asked {
    pub(super) fn new(rid: &str, publish: &Publish) -> Self {
        let correlation = publish.properties.as_deref().and_then(|properties| properties.correlation_data.as_deref());
        // Small, but a slice of the read buffer, which it must not keep alive.
        Self { rid: rid.into(), correlation: correlation.map(Bytes::copy_from_slice) }
    }
}

impl Session<OnHub> {
    /// Answers the connection that asked. An SDK that reconnects does not subscribe again, so it is answered without a subscription too.
    pub(super) fn answer(&mut self, asked: &Asked, status: u16, version: Option<u64>, body: Bytes) {
        let topic = hub_topic::twin_answer(status, &asked.rid, version);
        let (qos, subscription_identifiers) =
            self.role.hears(Feed::TwinAnswers, &topic).unwrap_or((QoS::AtMostOnce, Vec::new()));
        let properties = (self.version == Version::V5).then(|| {
            Box::new(PublishProperties {
                payload_format_indicator: (!body.is_empty()).then_some(1),
                content_type: (!body.is_empty()).then(|| "application/json".to_owned()),
                correlation_data: asked.correlation.clone(),
                subscription_identifiers,
                ..PublishProperties::default()
            })
        });
        self.send(Publish { qos, topic, payload: body, properties, ..Publish::default() });
    }

    /// A refusal. The device gets the class and the tracking id; the log has the whole reason under that id.
    pub(super) fn refuse(&mut self, asked: &Asked, refusal: &Refusal) {
        let tracking_id = TrackingId::random();
        let (code, reason) = (refusal.code.number(), refusal.code.name());
        let (told, detail) = (refusal.message.as_str(), refusal.detail.as_str());
        // Faults of ours need somebody to look; a refused device is the rules at work.
        if refusal.code.status() >= 500 && refusal.code != ErrorCode::Draining {
            tracing::warn!(code, reason, told, detail, %tracking_id, "twin request refused");
        } else {
            tracing::info!(code, reason, told, detail, %tracking_id, "twin request refused");
        }
        let body = json!({ "errorCode": code, "message": told, "trackingId": tracking_id });
        self.answer(asked, refusal.code.status(), None, body.to_string().into());
    }
}
