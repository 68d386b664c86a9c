//! The device twin as the device sees it: read it, report to it, hear of changes that the back end wants (`$iothub/twin/`).

use std::sync::Arc;

use bytes::Bytes;
use firsthop_protocol::hub_topic::{self, Feed};
use futures_util::FutureExt;
use serde::Deserialize;

use super::super::session::Session;
use super::OnHub;
use super::answer::Asked;
use super::request::Progress;
use crate::domain::refusal::Refusal;

impl Session<OnHub> {
    pub(super) fn on_twin_get(&mut self, asked: &Asked) {
        match self.role.door.hub.twin(&self.role.admitted.device) {
            Ok(twin) => {
                let body = twin.device_document().to_string();
                self.answer(asked, 200, None, body.into());
            }
            Err(refusal) => self.refuse(asked, &refusal),
        }
    }

    /// Patches of one device are made in the order in which they begin, which is here.
    pub(super) fn on_twin_report(&mut self, asked: Asked, patch: &[u8], expected: Option<u64>) {
        let (hub, device) = (self.role.door.hub.clone(), self.role.admitted.device.clone());
        // Not a slice of the read buffer, which it would keep alive while it waits.
        let patch = Bytes::copy_from_slice(patch);
        let mut work = Box::pin(async move { hub.report(&device, &patch, expected).await });
        // A patch that is refused does not wait for the disk.
        match work.as_mut().now_or_never() {
            Some(outcome) => self.answer_report(&asked, outcome),
            None => self.under_way.push(Box::pin(async move { Progress::Reported { asked, outcome: work.await } })),
        }
    }

    pub(super) fn answer_report(&mut self, asked: &Asked, outcome: Result<u64, Refusal>) {
        match outcome {
            Ok(version) => self.answer(asked, 204, Some(version), Bytes::new()),
            Err(refusal) => self.refuse(asked, &refusal),
        }
    }

    pub(super) fn on_desired(&mut self, patch: Arc<[u8]>) {
        #[derive(Deserialize)]
        struct Versioned {
            #[serde(rename = "$version")]
            version: u64,
        }
        match serde_json::from_slice::<Versioned>(&patch) {
            Ok(Versioned { version }) => self.feed(Feed::Desired, hub_topic::desired(version), patch),
            Err(error) => tracing::error!(%error, "a change of desired properties has no $version"),
        }
    }
}
