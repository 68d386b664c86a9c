//! The command queue (rule A5): messages wait for the device in their order, bounded and not for ever, and are sent again until it
//! acknowledges them.

use std::time::Duration;

use firsthop_protocol::{DeviceId, Timestamp};

use super::EmbeddedHub;
use super::fault::Fault;
use super::post::HubMail;
use crate::domain::hub_device::QueuedMessage;
use crate::domain::ports::{DeviceBound, Enqueued, HubError, HubWrite};
use crate::domain::refusal::Refusal;

/// How often a message is sent before it is given up.
const MAX_DELIVERIES: u32 = 10;
/// Most bytes of a message's property bag: it travels in the topic.
const MAX_PROPERTIES: usize = 8 * 1024;
/// Most bytes of a message's payload.
const MAX_PAYLOAD: usize = 64 * 1024;
/// How long a message may wait.
const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most messages that are read at once.
const MAX_PAGE: usize = 100;

impl EmbeddedHub {
    /// Messages to be sent to the device now, in their order, from the one after `after` on. Each counts as sent once more when this
    /// returns; expired ones, and those that were sent too often without an acknowledgement, are dropped.
    pub async fn waiting(
        &self,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, QueuedMessage)>, Refusal> {
        let now = self.clock.now();
        let (mut position, mut due, mut dropped) = (after, Vec::new(), Vec::new());
        let limit = limit.min(MAX_PAGE);
        while due.len() < limit {
            let page = self.store.queue(&self.name, device, position, limit - due.len()).map_err(Fault::from)?;
            let Some((last, _)) = page.last() else { break };
            position = Some(*last);
            for (number, message) in page {
                match self.why_dropped(&message, now) {
                    Some(why) => {
                        tracing::info!(hub = %self.name, %device, number, why, "device-bound message dropped");
                        dropped.push(number);
                    }
                    None => due.push((number, message)),
                }
            }
        }
        if !dropped.is_empty() {
            self.write(device, HubWrite::Dequeue(dropped)).await?;
        }
        if !due.is_empty() {
            let numbers = due.iter().map(|(number, _)| *number).collect();
            self.write(device, HubWrite::Delivered(numbers)).await?;
        }
        for (_, message) in &mut due {
            message.deliveries = message.deliveries.saturating_add(1);
        }
        Ok(due)
    }

    /// The device acknowledged these messages.
    pub async fn complete(&self, device: &DeviceId, numbers: Vec<u64>) -> Result<(), Refusal> {
        if !numbers.is_empty() {
            self.write(device, HubWrite::Dequeue(numbers)).await?;
        }
        Ok(())
    }

    pub(super) async fn enqueue_message(&self, device: &DeviceId, message: DeviceBound) -> Result<Enqueued, HubError> {
        let error = |fault| self.error(fault);
        let queue = self.active(device).map_err(error)?.identity.resources.command_queue;
        let now = self.clock.now();
        let expires = message.expires.unwrap_or_else(|| now.plus(queue.expiry));
        judge(&message, expires, now).map_err(|why| HubError::Refused { hub: self.name.clone(), why })?;
        let DeviceBound { properties, payload, .. } = message;
        let message = QueuedMessage { properties, payload, enqueued: now, expires, deliveries: 0 };
        let mut outcome = self.write(device, HubWrite::Enqueue(message.clone())).await;
        // Those that nobody can get any more make room.
        if outcome == Err(Fault::QueueFull) && self.drop_expired(device, now).await.map_err(error)? {
            outcome = self.write(device, HubWrite::Enqueue(message)).await;
        }
        match outcome {
            Ok(number) => {
                self.sessions.post(device, HubMail::Queued);
                Ok(Enqueued::Done(number))
            }
            Err(Fault::QueueFull) => Ok(Enqueued::Full),
            Err(fault) => Err(error(fault)),
        }
    }

    /// Whether there were any.
    async fn drop_expired(&self, device: &DeviceId, now: Timestamp) -> Result<bool, Fault> {
        let (mut position, mut dropped) = (None, Vec::new());
        loop {
            let page = self.store.queue(&self.name, device, position, MAX_PAGE)?;
            let Some((last, _)) = page.last() else { break };
            position = Some(*last);
            dropped
                .extend(page.iter().filter(|(_, it)| self.why_dropped(it, now).is_some()).map(|(number, _)| *number));
        }
        if dropped.is_empty() {
            return Ok(false);
        }
        tracing::info!(hub = %self.name, %device, messages = dropped.len(), "device-bound messages dropped to make room");
        self.write(device, HubWrite::Dequeue(dropped)).await?;
        Ok(true)
    }

    fn why_dropped(&self, message: &QueuedMessage, now: Timestamp) -> Option<&'static str> {
        match message {
            message if message.expires <= now => Some("expired"),
            message if message.deliveries >= MAX_DELIVERIES => Some("sent too often without an acknowledgement"),
            _ => None,
        }
    }
}

/// What is wrong with a message, if anything.
fn judge(message: &DeviceBound, expires: Timestamp, now: Timestamp) -> Result<(), String> {
    if message.payload.len() > MAX_PAYLOAD {
        return Err(format!("payload: {} bytes; at most {MAX_PAYLOAD} are allowed", message.payload.len()));
    }
    if message.properties.len() > MAX_PROPERTIES {
        return Err(format!("properties: {} bytes; at most {MAX_PROPERTIES} are allowed", message.properties.len()));
    }
    // They become the end of a topic.
    if let Some(c) = message.properties.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | '+' | '#')) {
        return Err(format!("properties: {c:?} must be url-encoded"));
    }
    if expires <= now {
        return Err(format!("expires: {expires} has passed already"));
    }
    if expires > now.plus(MAX_EXPIRY) {
        return Err(format!("expires: {expires} is more than {} days ahead", MAX_EXPIRY.as_secs() / 86_400));
    }
    Ok(())
}
