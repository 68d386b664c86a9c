//! Device-bound messages: from the device's command queue to its session, in order and at least once (`devices/{id}/messages/devicebound/`).
//!
//! ```text
//! queue --fetch--> fetched --send, within the client's window--> sent --PUBACK--> done --complete--> out of the queue
//! ```
//!
//! At QoS 0 a message is done once it was written: it needs no acknowledgement, but a connection that took it. What is not done when the connection ends is sent again over the next one.

use std::collections::VecDeque;

use firsthop_protocol::hub_topic::{self, Feed};
use futures_util::StreamExt;

use super::super::codec::{DisconnectReason, Publish, PublishProperties, QoS, Reply, Version};
use super::super::session::{End, Session};
use super::OnHub;
use super::request::Progress;
use crate::domain::hub_device::QueuedMessage;
use crate::domain::refusal::Refusal;

/// Most messages of one device between the queue and its acknowledgement.
const WINDOW: usize = 16;

/// A session's side of the command queue.
#[derive(Default)]
pub struct Commands {
    /// The number of the last message that was sent.
    after: Option<u64>,
    /// There may be messages behind it.
    more: bool,
    fetching: bool,
    fetched: VecDeque<(u64, QueuedMessage)>,
    /// Packet id and number.
    sent: Vec<(u16, u64)>,
    /// At QoS 0: part of the next write, or of one that succeeded.
    written: Vec<u64>,
    done: Vec<u64>,
    completing: bool,
}

impl Commands {
    /// How many more may leave the queue.
    fn room(&self) -> usize {
        WINDOW.saturating_sub(self.fetched.len() + self.sent.len() + self.written.len() + self.done.len())
    }
}

impl Session<OnHub> {
    /// Messages may wait in the queue.
    pub(super) fn on_queued(&mut self) {
        self.role.commands.more = true;
        self.move_commands();
    }

    pub(super) fn on_command_acknowledged(&mut self, id: u16) {
        let commands = &mut self.role.commands;
        if let Some(at) = commands.sent.iter().position(|(sent, _)| *sent == id) {
            let (_, number) = commands.sent.remove(at);
            commands.done.push(number);
        }
        self.move_commands();
    }

    pub(super) fn on_fetched(
        &mut self,
        outcome: Result<Vec<(u64, QueuedMessage)>, Refusal>,
        limit: usize,
    ) -> Result<(), End> {
        let commands = &mut self.role.commands;
        commands.fetching = false;
        match outcome {
            Ok(messages) => {
                commands.more |= messages.len() >= limit;
                commands.fetched.extend(messages);
                self.move_commands();
                Ok(())
            }
            Err(refusal) => {
                log(&refusal, "the command queue cannot be read");
                // Whoever connects again is sent what waits.
                Err(End::fault(DisconnectReason::ServerBusy, refusal.message))
            }
        }
    }

    pub(super) fn on_completed(&mut self, outcome: Result<(), Refusal>) {
        self.role.commands.completing = false;
        if let Err(refusal) = outcome {
            log(&refusal, "acknowledged messages stay in the command queue and will be sent again");
        }
        self.move_commands();
    }

    /// Moves messages on as far as they can go now.
    fn move_commands(&mut self) {
        self.send_commands();
        if !self.role.commands.written.is_empty() {
            // What is under way makes progress after the next write only, and none at all when that fails.
            self.under_way.push(Box::pin(std::future::ready(Progress::Written)));
        }
        self.complete_commands();
        self.fetch_commands();
    }

    fn send_commands(&mut self) {
        let (hub, device) = (self.role.door.hub.clone(), self.role.admitted.device.clone());
        while self.outbound.has_room()
            && let Some((number, message)) = self.role.commands.fetched.pop_front()
        {
            let topic = hub_topic::device_bound(&device, &message.properties);
            let Some((qos, subscription_identifiers)) = self.role.hears(Feed::DeviceBound, &topic) else {
                // It has unsubscribed: they wait in the queue.
                return self.role.commands.fetched.clear();
            };
            self.role.commands.after = Some(number);
            let properties = (self.version == Version::V5).then(|| {
                let left = message.expires.since(hub.now()).as_secs().max(1);
                Box::new(PublishProperties {
                    message_expiry_interval: Some(u32::try_from(left).unwrap_or(u32::MAX)),
                    subscription_identifiers,
                    ..PublishProperties::default()
                })
            });
            let dup = qos != QoS::AtMostOnce && message.deliveries > 1;
            let publish =
                Publish { dup, qos, topic, payload: message.payload.into(), properties, ..Publish::default() };
            // There is room, so that it never waits there without a packet id.
            let Ok(Some(reply)) = self.outbound.send(publish) else { return };
            let id = match &reply {
                Reply::Publish(publish) => publish.pkid,
                _ => 0,
            };
            match self.put(reply) {
                true if qos != QoS::AtMostOnce => self.role.commands.sent.push((id, number)),
                true => self.role.commands.written.push(number),
                // Larger than the client takes, which counts as sent.
                false => self.role.commands.done.push(number),
            }
        }
    }

    /// The last write succeeded.
    pub(super) fn on_written(&mut self) {
        let commands = &mut self.role.commands;
        commands.done.append(&mut commands.written);
        self.move_commands();
    }

    fn complete_commands(&mut self) {
        let commands = &mut self.role.commands;
        if commands.completing || commands.done.is_empty() {
            return;
        }
        commands.completing = true;
        let numbers = std::mem::take(&mut commands.done);
        let (hub, device) = (self.role.door.hub.clone(), self.role.admitted.device.clone());
        self.under_way.push(Box::pin(async move { Progress::Completed(hub.complete(&device, numbers).await) }));
    }

    fn fetch_commands(&mut self) {
        let commands = &mut self.role.commands;
        // Not more than the client takes now: each counts as sent, and is dropped after so many times.
        let limit = commands.room().min(self.outbound.room());
        let listens = self.role.feeds.iter().any(|filter| filter.feed == Feed::DeviceBound);
        if !listens || !commands.more || commands.fetching || !commands.fetched.is_empty() || limit == 0 {
            return;
        }
        commands.more = false;
        commands.fetching = true;
        let after = commands.after;
        let (hub, device) = (self.role.door.hub.clone(), self.role.admitted.device.clone());
        self.under_way.push(Box::pin(async move {
            Progress::Fetched { outcome: hub.waiting(&device, after, limit).await, limit }
        }));
    }

    /// After the connection: what the client acknowledged leaves the queue.
    pub(super) async fn finish_commands(mut self) {
        while let Some(progress) = self.under_way.next().await {
            if let Progress::Completed(Err(refusal)) = progress {
                log(&refusal, "acknowledged messages stay in the command queue and will be sent again");
            }
        }
        let done = std::mem::take(&mut self.role.commands.done);
        if done.is_empty() {
            return;
        }
        if let Err(refusal) = self.role.door.hub.complete(&self.role.admitted.device, done).await {
            log(&refusal, "acknowledged messages stay in the command queue and will be sent again");
        }
    }
}

fn log(refusal: &Refusal, what: &str) {
    tracing::warn!(code = refusal.code.number(), told = refusal.message, detail = refusal.detail, "{what}");
}
