//! What comes from the hub.

use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::notify::Notification;
use firsthop_protocol::{Format, Timestamp, codec};
use tokio::time::Instant;

use super::Driver;
use crate::device::forward::Loaded;
use crate::device::on_hub::{Answered, patch_of};
use crate::device::update::Update;
use crate::flow::{Event, Trigger};
use crate::hub::Arrival;
use crate::twin::Change;

impl Driver {
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let Some(on_hub) = &mut self.on_hub else { return };
        let now = Instant::now();
        match arrival {
            Arrival::Twin(answer) => match on_hub.answered(answer, &mut self.twin, now) {
                Ok(Answered::Nothing) => {}
                Ok(Answered::Desired) => self.desired_changed(),
                Ok(Answered::Kept) => self.twin_kept(),
                Ok(Answered::Refused(why)) => {
                    self.twin_kept();
                    self.note(why);
                }
                Err(failure) => self.fail(failure),
            },
            Arrival::Desired { version, patch } => match patch_of(&patch) {
                Some(patch) => match self.twin.changed(version, &patch) {
                    Change::Applied => {
                        on_hub.overtake();
                        self.desired_changed();
                    }
                    Change::Known => {}
                    Change::Gap => on_hub.read_twin = true,
                },
                None => {
                    tracing::warn!(version, "a change of the desired properties that cannot be read");
                    on_hub.read_twin = true;
                }
            },
            Arrival::Method { name, rid, payload } => {
                on_hub.call_method((name, rid, payload), &self.updates, &self.answers_in);
            }
            Arrival::Message { packet_id, properties, body } => {
                if let Err(failure) = on_hub.hold_message(packet_id, properties, body) {
                    self.fail(failure);
                }
            }
            Arrival::Notice(body) => self.noticed(&body),
            Arrival::Acknowledged { packet_id, refused } => {
                let known =
                    on_hub.forwarding.acknowledged((packet_id, refused.as_ref()), &mut self.suspect, &self.disk, now);
                if let (false, Some(reason)) = (known, refused) {
                    // A twin request: its answer does not come, and the connection ends when it is overdue.
                    tracing::warn!(%reason, "the hub refused a publication");
                }
            }
            Arrival::MessagesFeed { refused: Some(reason) } => {
                tracing::warn!(%reason, "the hub refused the subscription to device-bound messages");
            }
            Arrival::MessagesFeed { refused: None } => tracing::debug!("listening to device-bound messages"),
        }
    }

    pub(super) fn sync_twin(&mut self, now: Instant) {
        while let Some(on_hub) = &mut self.on_hub
            && let Answered::Refused(why) = on_hub.sync_twin(&mut self.twin, now)
        {
            self.twin_kept();
            self.note(why);
        }
    }

    fn noticed(&mut self, body: &[u8]) {
        let Ok(notice) = codec::decode::<Notification>(body, Format::Json) else {
            tracing::warn!("a notice that cannot be read");
            return;
        };
        let not_before = notice.not_before.map_or(Duration::ZERO, |at| at.since(Timestamp::now()));
        let spread = Duration::from_secs(notice.spread.into());
        tracing::info!(reason = notice.reason, ?not_before, ?spread, "the device is asked to register again");
        self.tell(Event::Asked(Trigger::Notice { not_before, spread, reason: notice.reason }));
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Some(on_hub) = &mut self.on_hub else { return };
        match loaded {
            Ok(messages) => {
                let (device, session) = (on_hub.session.device().clone(), &mut on_hub.session);
                let publish = |topic, body| session.publish(topic, body);
                on_hub.forwarding.send(messages, &device, publish, &self.disk);
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read");
                on_hub.forwarding.unreadable(Instant::now());
            }
        }
    }

    fn desired_changed(&mut self) {
        let desired = self.twin.desired().cloned().map(Arc::new);
        self.desired.send_replace(desired.clone());
        self.unread_desired = desired;
        self.keeping.twin_changed();
    }

    pub(super) fn offer_desired(&mut self) {
        if let Ok(place) = self.updates.try_reserve()
            && let Some(desired) = self.unread_desired.take()
        {
            place.send(Update::Desired(desired));
        }
    }

    fn twin_kept(&mut self) {
        self.keeping.twin_changed();
        self.changed = true;
    }
}
