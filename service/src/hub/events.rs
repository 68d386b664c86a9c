//! Event storage (rule A5): the newest telemetry of a device, bounded by its allocation.

use firsthop_protocol::DeviceId;

use super::EmbeddedHub;
use super::fault::Fault;
use crate::domain::hub_device::{Event, Subscription};
use crate::domain::ports::HubWrite;
use crate::domain::refusal::Refusal;

/// Most events that are read at once.
const MAX_PAGE: usize = 1000;

impl EmbeddedHub {
    /// Keeps a telemetry message in the device's event storage, where it has one. Durable when it returns.
    pub async fn keep_event(&self, device: &DeviceId, properties: &str, payload: &[u8]) -> Result<(), Refusal> {
        let storage = self.active(device)?.identity.resources.events;
        if storage.messages == 0 {
            return Ok(());
        }
        let bytes = (properties.len() + payload.len()) as u64;
        if bytes > storage.bytes {
            // It would push out all others and still not fit. Whoever listens to telemetry got it all the same.
            tracing::debug!(hub = %self.name, %device, bytes, limit = storage.bytes, "event too large for its storage");
            return Ok(());
        }
        let event = Event { properties: properties.to_owned(), payload: payload.to_vec(), at: self.clock.now() };
        self.write(device, HubWrite::Event(event)).await?;
        Ok(())
    }

    /// Keeps the subscriptions of a session with clean session 0, or forgets them.
    pub async fn keep_subscriptions(&self, device: &DeviceId, subscriptions: Vec<Subscription>) -> Result<(), Refusal> {
        // Nearly every session forgets what was never kept.
        if self.active(device)?.subscriptions != subscriptions {
            self.write(device, HubWrite::Subscriptions(subscriptions)).await?;
        }
        Ok(())
    }

    pub(super) fn stored_events(
        &self,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, Fault> {
        self.present(device)?;
        Ok(self.store.events(&self.name, device, after, limit.min(MAX_PAGE))?)
    }
}
