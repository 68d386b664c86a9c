//! Direct methods: calls to the device, and its answers (`$iothub/methods/`).

use std::sync::Arc;

use firsthop_protocol::document::Any;
use firsthop_protocol::hub_topic::{self, Feed};

use super::super::codec::{AckReason, Publish, text};
use super::super::session::{End, Session};
use super::OnHub;

impl Session<OnHub> {
    pub(super) fn on_method(&mut self, rid: u64, name: &str, payload: Arc<[u8]>) {
        let topic = hub_topic::method(name, rid);
        match text::topic_name(&topic) {
            Ok(()) => self.feed(Feed::Methods, topic, payload),
            Err(why) => tracing::warn!(name, why, "a direct method was not called"),
        }
    }

    pub(super) fn on_method_answer(&mut self, publish: &Publish, rid: u64, status: i32) -> Result<(), End> {
        let payload = if publish.payload.is_empty() { b"null" } else { &publish.payload[..] };
        match serde_json::from_slice::<Any>(payload) {
            Ok(Any(payload)) => {
                self.acknowledge(publish, AckReason::Success);
                if !self.role.door.hub.answer_method(&self.role.admitted.device, rid, status, payload) {
                    tracing::debug!(rid, status, "the answer to a direct method came when nobody waited for it");
                }
                Ok(())
            }
            Err(error) => {
                let why = format!("the answer to a direct method is no JSON: {error}");
                self.refuse_publish(publish, AckReason::PayloadFormatInvalid, &why)
            }
        }
    }
}
