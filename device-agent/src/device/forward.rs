//! Telemetry on its way from the outbox to the hub: in its order, a bounded number unacknowledged, each until the hub has it.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use firsthop_protocol::{DeviceId, hub_topic};
use tokio::time::Instant;

use crate::Error;
use crate::disk::{Disk, DiskError, Sequence, Telemetry};
use crate::reason::Reason;

/// Most messages, and about the most bytes, that a hub has not acknowledged.
const WINDOW: usize = 32;
const WINDOW_BYTES: usize = 256 * 1024;
/// How long nothing is sent after a hub had no room.
const HOLD: Duration = Duration::from_secs(30);
/// How many connections in a row may end over the same message before it is taken for the cause.
const PATIENCE: u32 = 10;

/// The messages that are under way on one connection.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    /// The last message that was read from the outbox.
    behind: Option<Sequence>,
    in_flight: HashMap<u16, Sequence>,
    /// Whether the outbox may have messages behind that one.
    more: bool,
    /// Messages came while the outbox was being read.
    again: bool,
    /// The outbox has to be read from the first message again; what is being read now is no longer wanted.
    anew: bool,
    /// Nothing is sent before.
    hold: Option<Instant>,
}

/// A message that connections end over, and how often they did.
#[derive(Debug, Default)]
pub(super) struct Suspect(Option<(Sequence, u32)>);

pub(super) type Loaded = Result<Vec<(Sequence, Telemetry)>, DiskError>;

/// The outbox is being read.
pub(super) struct Loading(Pin<Box<dyn Future<Output = Loaded> + Send>>);

impl Loading {
    pub fn start(disk: &Disk, behind: Option<Sequence>, messages: usize) -> Self {
        let disk = disk.clone();
        Self(Box::pin(async move { disk.load(behind, messages, WINDOW_BYTES).await }))
    }
}

impl Future for Loading {
    type Output = Loaded;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Loaded> {
        self.0.as_mut().poll(cx)
    }
}

impl Forwarding {
    pub fn new() -> Self {
        Self { more: true, ..Self::default() }
    }

    /// The outbox may have more.
    pub fn arrived(&mut self) {
        self.more = true;
        self.again = true;
    }

    /// What to read from the outbox now: behind which message, and how many. The hub has so many `places` for all that is published.
    pub fn wanted(&mut self, places: usize, unsent: usize, suspect: &Suspect) -> Option<(Option<Sequence>, usize)> {
        // Some are left for the twin and for answers, which would have to wait for telemetry otherwise.
        let window = if suspect.0.is_some() { 1 } else { WINDOW.min(places - places / 4) };
        let free = window.saturating_sub(self.in_flight.len());
        // In halves, so that messages are read in batches.
        if self.hold.is_some() || !self.more || free * 2 < window || unsent > WINDOW_BYTES {
            return None;
        }
        (self.again, self.anew) = (false, false);
        Some((self.behind, free))
    }

    /// Messages that were read are sent.
    pub fn send(
        &mut self,
        messages: Vec<(Sequence, Telemetry)>,
        device: &DeviceId,
        mut publish: impl FnMut(String, Bytes) -> Option<u16>,
        disk: &Disk,
    ) {
        if self.anew {
            return;
        }
        self.more = self.again || !messages.is_empty();
        for (sequence, message) in messages {
            self.behind = Some(sequence);
            if self.in_flight.values().any(|sent| *sent == sequence) {
                continue;
            }
            let topic = hub_topic::telemetry(device, &message.properties);
            let bytes = message.body.len();
            match publish(topic, message.body.into()) {
                Some(packet_id) => {
                    self.in_flight.insert(packet_id, sequence);
                }
                None => {
                    tracing::warn!(bytes, "a message is larger than the hub takes, and dropped");
                    disk.drop_refused(sequence);
                }
            }
        }
    }

    /// The outbox cannot be read.
    pub fn unreadable(&mut self, now: Instant) {
        self.hold = Some(now + HOLD);
    }

    /// The hub has a message, or refused it. False: that packet was none of these.
    pub fn acknowledged(
        &mut self,
        (packet_id, refused): (u16, Option<&Reason>),
        suspect: &mut Suspect,
        disk: &Disk,
        now: Instant,
    ) -> bool {
        let Some(sequence) = self.in_flight.remove(&packet_id) else { return false };
        suspect.0 = None;
        match refused {
            None => disk.remove(vec![sequence]),
            Some(reason) if is_passing(reason.code) => {
                tracing::info!(%reason, "the hub has no room for telemetry");
                self.hold = Some(now + HOLD);
                // From the first again; what is still in flight is passed over.
                (self.behind, self.anew) = (None, true);
                self.more = true;
            }
            Some(reason) => {
                tracing::warn!(%reason, "the hub refused a message, which is dropped");
                disk.drop_refused(sequence);
            }
        }
        true
    }

    /// A wait that has passed is over.
    pub fn pass(&mut self, now: Instant) {
        self.hold = self.hold.filter(|until| now < *until);
    }

    /// When something can be sent again.
    pub fn wake(&self) -> Option<Instant> {
        self.hold.filter(|_| self.more)
    }

    /// The connection ended.
    pub fn ended(&self, error: &Error, suspect: &mut Suspect, disk: &Disk) {
        let oldest = self.in_flight.values().min().copied();
        let Some(oldest) = oldest.filter(|_| may_be_over_a_message(error)) else { return };
        let times = match suspect.0 {
            Some((sequence, times)) if sequence == oldest => times + 1,
            _ => 1,
        };
        if times < PATIENCE {
            suspect.0 = Some((oldest, times));
            return;
        }
        // A hub of MQTT 3.1.1 cannot refuse a publication but by closing the connection. Without an end to it, one such message would
        // keep all those behind it.
        tracing::warn!(times, "the hub closes the connection over a message, which is dropped");
        disk.drop_refused(oldest);
        suspect.0 = None;
    }
}

/// Whether a hub may have closed the connection because of what it was sent: without a word, or unspecified, malformed, protocol error,
/// implementation specific, topic, packet too large, payload format. A hub that is stopped or busy says nothing of the message.
fn may_be_over_a_message(error: &Error) -> bool {
    match error {
        Error::Closed { reason: Some(reason), .. } => {
            matches!(reason.code, 0x00..=0x7F | 0x80..=0x83 | 0x90 | 0x95 | 0x99)
        }
        Error::Closed { reason: None, .. } => true,
        _ => false,
    }
}

/// Unspecified, implementation specific, unavailable, busy, rate too high, quota exceeded.
fn is_passing(code: u8) -> bool {
    matches!(code, 0x80 | 0x83 | 0x88 | 0x89 | 0x96 | 0x97)
}

#[cfg(test)]
#[path = "tests/forward.rs"]
mod tests;
