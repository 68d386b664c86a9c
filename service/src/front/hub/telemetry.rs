//! Telemetry: to the back end over the bus, and into the device's event storage (rule A5).

use firsthop_protocol::hub_topic::{self, Messages};
use futures_util::FutureExt;

use super::super::codec::{AckReason, Publish, QoS};
use super::super::packet::publish;
use super::super::session::{End, Session};
use super::OnHub;
use super::request::Progress;
use crate::domain::refusal::Refusal;

impl Session<OnHub> {
    /// Acknowledged once it is in the event storage. What comes at QoS 0 goes there too, and nobody waits for it.
    pub(super) async fn on_telemetry(&mut self, mut publish: Publish, bag: &str) -> Result<(), End> {
        let bag = match hub_topic::telemetry_bag(bag) {
            Ok(bag) => bag.to_owned(),
            Err(error) => return self.refuse_publish(&publish, AckReason::TopicNameInvalid, &error.to_string()),
        };
        // Telemetry is a stream: there is no last message to keep for later subscribers.
        publish.retain = false;
        if let Err(error) = self.publish_ordinary(&publish).await {
            return self.refuse_publish(&publish, publish::reason(error), &error.to_string());
        }
        let (hub, device) = (self.role.door.hub.clone(), self.role.admitted.device.clone());
        let payload = std::mem::take(&mut publish.payload);
        publish.properties = None;
        let receipt = publish;
        let mut work = Box::pin(async move { hub.keep_event(&device, &bag, &payload).await });
        // Polled here, so that messages reach the storage in their order.
        if let Some(outcome) = work.as_mut().now_or_never() {
            return self.on_kept(&receipt, outcome);
        }
        self.under_way.push(Box::pin(async move { Progress::Kept { receipt, outcome: work.await } }));
        Ok(())
    }

    pub(super) fn on_kept(&mut self, receipt: &Publish, outcome: Result<(), Refusal>) -> Result<(), End> {
        let Err(refusal) = outcome else {
            self.acknowledge(receipt, AckReason::Success);
            return Ok(());
        };
        let (code, told, detail) = (refusal.code.number(), refusal.message.as_str(), refusal.detail.as_str());
        tracing::info!(code, told, detail, qos = receipt.qos as u8, "a telemetry message was not kept");
        match receipt.qos {
            QoS::AtMostOnce => Ok(()),
            _ => self.refuse_publish(receipt, AckReason::UnspecifiedError, told),
        }
    }

    /// Publishes the will, which may be telemetry.
    pub(super) async fn publish_hub_will(&mut self, mut will: Publish) {
        let topic = will.topic.clone();
        let Some(Messages::Events(bag)) = Messages::parse(&topic, &self.role.admitted.device) else {
            return self.publish_ordinary_will(&will).await;
        };
        will.retain = false;
        self.publish_ordinary_will(&will).await;
        let bag = hub_topic::telemetry_bag(bag).unwrap_or_default();
        let (hub, device) = (&self.role.door.hub, &self.role.admitted.device);
        if let Err(refusal) = hub.keep_event(device, bag, &will.payload).await {
            tracing::info!(told = refusal.message, detail = refusal.detail, "the will was not kept");
        }
    }
}
