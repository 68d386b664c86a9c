//! One connection to a hub, from CONNECT to its end. It moves only inside its owner's calls, has no task of its own, and is dropped to
//! end without a word.

mod opening;
mod under_way;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use firsthop_protocol::DeviceId;
use firsthop_protocol::hub_topic;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use self::under_way::{LONGEST, UnderWay};
use super::arrival::{self, Arrival};
use crate::packet::{Granted, Incoming, Outgoing};
use crate::reason::Reason;
use crate::stream::{PacketStream, ReadError};
use crate::{Endpoint, Error, MqttVersion, Waiting, tls};

/// How long a good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest packet that MQTT has.
const LARGEST: usize = 256 * 1024 * 1024 - 1;
/// What a packet has besides topic and body at most: header, lengths, packet id, properties.
const PACKET_OVERHEAD: usize = 32;

/// A connection to a hub.
pub(crate) struct Session {
    packets: PacketStream<TlsStream<TcpStream>>,
    endpoint: Endpoint,
    device: DeviceId,
    /// The largest packet that the hub takes.
    max_packet: usize,
    timeout: Duration,
    keep_alive: Option<Duration>,
    /// When the hub was last heard, and when something was last sent to it.
    heard: Instant,
    sent: Instant,
    /// By when the answer to a ping has to be there.
    pong_by: Option<Instant>,
    under_way: UnderWay,
    /// What came before the subscriptions were acknowledged, which a hub may send.
    early: VecDeque<Incoming>,
    /// The subscription to device-bound messages that is not answered yet.
    subscribing: Option<u16>,
}

impl Session {
    /// The device's name on the hub.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// The hub.
    pub fn server(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The edition of MQTT that is spoken.
    pub fn version(&self) -> MqttVersion {
        self.packets.version()
    }

    /// How many publications the hub takes before it has acknowledged the first.
    pub fn places(&self) -> usize {
        self.under_way.places()
    }

    /// Bytes that are still to be written.
    pub fn unsent(&self) -> usize {
        self.packets.unsent()
    }

    /// The next thing that the hub says; writes what was queued, and keeps the connection alive. May be dropped half-way.
    pub async fn next(&mut self) -> Result<Arrival, Error> {
        loop {
            if self.under_way.is_overfull() {
                return Err(self.unacknowledged());
            }
            let packet = match self.early.pop_front() {
                Some(packet) => packet,
                None => match self.packet().await? {
                    Some(packet) => packet,
                    None => continue,
                },
            };
            if let Some(arrival) = self.arrived(packet)? {
                return Ok(arrival);
            }
        }
    }

    /// The next packet; `None` when something had to be done before one came.
    async fn packet(&mut self) -> Result<Option<Incoming>, Error> {
        let packet = match self.wake() {
            Some(at) => timeout_at(at, self.packets.exchange()).await.ok(),
            None => Some(self.packets.exchange().await),
        };
        let Some(packet) = packet else {
            self.woken(Instant::now())?;
            return Ok(None);
        };
        let packet = packet.map_err(|error| self.failed(error, Waiting::Messages))?;
        self.heard = Instant::now();
        self.pong_by = None;
        Ok(Some(packet))
    }

    /// Publishes with QoS 1, as soon as the hub takes it; gives the packet id that its acknowledgement names. `None`: larger than the hub
    /// takes.
    pub fn publish(&mut self, topic: String, body: Bytes) -> Option<u16> {
        let len = topic.len() + body.len() + PACKET_OVERHEAD;
        if len > self.max_packet || topic.len() > usize::from(u16::MAX) {
            return None;
        }
        let packet_id = self.under_way.publish(topic, body);
        self.move_on();
        Some(packet_id)
    }

    /// Sends what the hub has places for.
    fn move_on(&mut self) {
        while let Some(it) = self.under_way.next(Instant::now()) {
            self.queue(Outgoing::Publish { packet_id: it.packet_id, topic: &it.topic, format: None, body: &it.body });
        }
    }

    /// Tells the hub that a device-bound message has been dealt with.
    pub fn acknowledge(&mut self, packet_id: u16) {
        self.queue(Outgoing::PubAck { packet_id });
    }

    /// Listens to device-bound messages, or no longer.
    pub fn want_messages(&mut self, want: bool) {
        let packet_id = self.under_way.subscription(Instant::now());
        let filter = hub_topic::device_bound_filter(&self.device);
        if want {
            self.subscribing = Some(packet_id);
            self.queue(Outgoing::Subscribe { packet_id, filters: &[&filter], qos: Granted::AtLeastOnce });
        } else {
            self.subscribing = None;
            self.queue(Outgoing::Unsubscribe { packet_id, filters: &[&filter] });
        }
    }

    /// Says good-bye: DISCONNECT, then the end of TLS.
    pub async fn close(mut self) {
        self.packets.queue(Outgoing::Disconnect);
        let farewell = async {
            self.packets.flush().await?;
            self.packets.shutdown().await
        };
        if let Ok(Err(error)) = timeout(CLOSE_TIMEOUT, farewell).await {
            tracing::debug!(%error, "the connection was gone before the good-bye");
        }
    }

    /// That an answer did not come in time.
    pub fn unanswered(&self) -> Error {
        self.timed_out(Waiting::Answer)
    }

    fn arrived(&mut self, packet: Incoming) -> Result<Option<Arrival>, Error> {
        match packet {
            Incoming::Publish { topic, packet_id, body } => {
                let arrival = arrival::read(&topic, packet_id, body, &self.device);
                // A device-bound message is the owner's to acknowledge; everything else is taken by being read.
                match (&arrival, packet_id) {
                    (Some(Arrival::Message { .. }), _) | (_, None) => {}
                    (_, Some(packet_id)) => self.acknowledge(packet_id),
                }
                if arrival.is_none() {
                    tracing::debug!(topic, "a topic that says nothing to a device");
                }
                Ok(arrival)
            }
            Incoming::PubAck { packet_id, code, words } => {
                self.under_way.acknowledged(packet_id);
                self.move_on();
                // 0x10, nobody listens, is no failure of a publication to a hub.
                let refused = (code >= 0x80).then(|| Reason::of_v5(code, words));
                Ok(Some(Arrival::Acknowledged { packet_id, refused }))
            }
            Incoming::SubAck { packet_id, codes, words } if self.subscribing == Some(packet_id) => {
                self.subscribing = None;
                self.under_way.acknowledged(packet_id);
                let refused = codes.first().copied().filter(|code| *code >= 0x80);
                let refused = refused.map(|code| Reason::of_suback(self.packets.version(), code, words));
                Ok(Some(Arrival::MessagesFeed { refused }))
            }
            Incoming::Disconnect { code, words, instead } => Err(Error::Closed {
                server: self.endpoint.to_string(),
                waiting: Waiting::Messages,
                reason: Some(Reason::of_v5(code, words).instead(instead)),
            }),
            Incoming::ConnAck { .. } => Err(self.out_of_place(&packet)),
            Incoming::SubAck { packet_id, .. } | Incoming::UnsubAck { packet_id } => {
                self.under_way.acknowledged(packet_id);
                Ok(None)
            }
            Incoming::PingResp => Ok(None),
        }
    }

    /// When something has to be done to keep the connection, or to notice that it is gone.
    fn wake(&self) -> Option<Instant> {
        // Also a hub that takes everything and says nothing is asked whether it is there.
        let ping_at = self.keep_alive.map(|interval| self.heard.min(self.sent) + interval);
        [self.pong_by.or(ping_at), self.under_way.due()].into_iter().flatten().min()
    }

    /// Nothing came before that time.
    fn woken(&mut self, now: Instant) -> Result<(), Error> {
        if self.under_way.due().is_some_and(|due| due <= now) {
            return Err(self.unacknowledged());
        }
        match self.pong_by {
            Some(by) if by <= now => Err(self.timed_out(Waiting::PingResp)),
            Some(_) => Ok(()),
            None => {
                self.queue(Outgoing::PingReq);
                self.pong_by = Some(now + self.timeout);
                Ok(())
            }
        }
    }

    fn queue(&mut self, packet: Outgoing<'_>) {
        self.packets.queue(packet);
        self.sent = Instant::now();
    }

    fn failed(&self, error: ReadError, waiting: Waiting) -> Error {
        match error {
            ReadError::Io(error) => tls::failure(error, &self.endpoint, waiting),
            ReadError::Packet(error) => {
                Error::Protocol { server: self.endpoint.to_string(), message: error.to_string() }
            }
        }
    }

    fn unacknowledged(&self) -> Error {
        Error::TimedOut { server: self.endpoint.to_string(), waiting: Waiting::PubAck, after: LONGEST }
    }

    fn timed_out(&self, waiting: Waiting) -> Error {
        Error::TimedOut { server: self.endpoint.to_string(), waiting, after: self.timeout }
    }

    fn out_of_place(&self, packet: &Incoming) -> Error {
        Error::Protocol { server: self.endpoint.to_string(), message: format!("{} has no place here", packet.name()) }
    }
}
