//! What a device publishes to its hub: acknowledged first, then answered.

use firsthop_protocol::hub_topic::{Messages, Request};

use super::super::codec::{AckReason, Publish, QoS};
use super::super::session::{End, Session};
use super::OnHub;
use super::answer::Asked;
use crate::domain::hub_device::QueuedMessage;
use crate::domain::refusal::Refusal;

/// What something that waited for the disk came to.
pub enum Progress {
    /// A patch of the reported properties; their new version.
    Reported { asked: Asked, outcome: Result<u64, Refusal> },
    /// A telemetry message, of which only what its acknowledgement needs is left.
    Kept { receipt: Publish, outcome: Result<(), Refusal> },
    /// Messages of the command queue; at most `limit` were asked for.
    Fetched { outcome: Result<Vec<(u64, QueuedMessage)>, Refusal>, limit: usize },
    /// Messages of the command queue were written.
    Written,
    /// Messages left the command queue.
    Completed(Result<(), Refusal>),
}

impl Session<OnHub> {
    pub(super) async fn on_hub_publish(&mut self, publish: Publish) -> Result<(), End> {
        if publish.qos == QoS::ExactlyOnce {
            let why = "a hub takes its own topics at QoS 0 and 1";
            return self.refuse_publish(&publish, AckReason::ImplementationSpecificError, why);
        }
        let topic = publish.topic.clone();
        match Messages::parse(&topic, &self.role.admitted.device) {
            Some(Messages::Events(bag)) => return self.on_telemetry(publish, bag).await,
            Some(Messages::DeviceBound(_)) => {
                let why = "messages to the device come from the back end";
                return self.refuse_publish(&publish, AckReason::NotAuthorized, why);
            }
            None => {}
        }
        match Request::parse(&topic) {
            Ok(Request::TwinGet { rid }) => {
                self.acknowledge(&publish, AckReason::Success);
                self.on_twin_get(&Asked::new(rid, &publish));
                Ok(())
            }
            Ok(Request::TwinReport { rid, expected }) => {
                self.acknowledge(&publish, AckReason::Success);
                self.on_twin_report(Asked::new(rid, &publish), &publish.payload, expected);
                Ok(())
            }
            Ok(Request::MethodAnswer { rid, status }) => self.on_method_answer(&publish, rid, status),
            Err(error) => self.refuse_publish(&publish, AckReason::TopicNameInvalid, &error.to_string()),
        }
    }
}
