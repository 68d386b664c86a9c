//! A session: one client after its CONNECT. It answers the reserved tree itself and takes ordinary topics to the bus.
//!
//! One task owns everything; others reach it through its mailbox. Packets are handled strictly in order, and what a batch of them
//! causes goes out in one write.

use std::sync::Arc;

use bytes::BytesMut;
use firsthop_protocol::topic::Answers;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use super::codec::{
    ConnAck, ConnAckProperties, Decoder, DisconnectReason, DisconnectReply, EncodeError, Encoder, Packet, Publish, QoS,
    Reply, Subscribe, Unsubscribe, Version, Will,
};
use super::door::Door;
use super::identity::Identity;
use super::limits::MAX_LOBBY_PACKET;
use super::listener::Transport;
use super::mailbox::Mail;
use super::ordinary::Ordinary;
use super::outbound::Outbound;
use super::packet::connect::Accepted;
use super::provisioning::Working;
use super::registry::{Post, SessionNumber};

/// The longest that a session goes without being judged again.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a client may still take when the service stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// What is kept allocated for reading while a session is idle.
const IDLE_BUFFER: usize = 1024;
/// What is read at once.
const READ: usize = 4096;

pub struct Session {
    pub(super) door: Arc<Door>,
    pub(super) version: Version,
    pub(super) identity: Identity,
    pub(super) answers: Vec<AnswerFilter>,
    pub(super) outbound: Outbound,
    /// Ids of QoS 2 messages that are ours and not yet released.
    pub(super) received: Vec<u16>,
    pub(super) under_way: FuturesUnordered<Working>,
    pub(super) ordinary: Ordinary,
    pub(super) post: Arc<Post>,
    pub(super) number: Option<SessionNumber>,
    decoder: Decoder,
    encoder: Encoder,
    out: BytesMut,
    /// Set by whoever finds that the session has to end after what is in `out`.
    ending: Option<End>,
    will: Option<Box<Will>>,
    keep_alive: Duration,
    _place: OwnedSemaphorePermit,
}

/// A subscription to answers.
#[derive(Debug)]
pub struct AnswerFilter {
    pub filter: Box<str>,
    pub answers: Answers,
    pub qos: QoS,
    /// MQTT 5 Subscription Identifier.
    pub identifier: Option<u32>,
}

/// Why a session ends, and what the client is told.
#[derive(Debug)]
pub struct End {
    why: String,
    disconnect: Option<DisconnectReason>,
}

impl End {
    /// Nothing is said to the client.
    pub fn quiet(why: impl Into<String>) -> Self {
        Self { why: why.into(), disconnect: None }
    }

    /// MQTT 5 clients are told.
    pub fn fault(reason: DisconnectReason, why: impl Into<String>) -> Self {
        Self { why: why.into(), disconnect: Some(reason) }
    }
}

impl Session {
    pub fn new(
        door: Arc<Door>,
        mut decoder: Decoder,
        encoder: Encoder,
        accepted: Accepted,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let post = Arc::new(Post::default());
        let number = match accepted.identity.principal() {
            Some(device) => Some(door.registry.enter(device, &accepted.client_id, post.clone())),
            None => {
                decoder.set_max_packet(MAX_LOBBY_PACKET);
                None
            }
        };
        // [MQTT-3.1.2-22]: one and a half times the keep-alive.
        let keep_alive = match number {
            Some(_) => Duration::from_millis(accepted.keep_alive * 1500),
            None => door.limits.lobby,
        };
        let mut session = Self {
            version: accepted.version,
            identity: accepted.identity,
            answers: Vec::new(),
            outbound: Outbound::new(accepted.receive_maximum),
            received: Vec::new(),
            under_way: FuturesUnordered::new(),
            ordinary: Ordinary::default(),
            post,
            number,
            decoder,
            encoder,
            out: BytesMut::new(),
            ending: None,
            will: accepted.will,
            keep_alive,
            door,
            _place: place,
        };
        session.greet(accepted.answer);
        session
    }

    /// CONNACK; to a client that takes small packets only, without what it may do without.
    fn greet(&mut self, answer: ConnAck) {
        let bare = ConnAck { properties: ConnAckProperties::default(), ..answer.clone() };
        let fits = [answer, bare]
            .into_iter()
            .any(|answer| self.encoder.encode(&Reply::ConnAck(Box::new(answer)), &mut self.out).is_ok());
        if !fits {
            self.end_with(End::quiet("the client takes no packet as large as a CONNACK"));
        }
    }

    /// Runs to the end of the connection and beyond: what is under way is carried to its end for whoever else listens.
    pub async fn run<T: Transport>(mut self, mut transport: T, input: BytesMut) {
        tracing::debug!("session begins");
        let end = self.serve(&mut transport, input).await;
        // Judged again here: the device may have lost its enrollment since its CONNECT.
        if let Some(will) = &self.will
            && !self
                .identity
                .access(&self.door.provisioner, transport.peer_chain())
                .is_ok_and(|access| access.may_publish(&will.topic))
        {
            tracing::info!(topic = will.topic, "the will was not published: the device may not, or is not registered");
            self.will = None;
        }
        tracing::debug!(why = end.why, "session ends");
        if let Some(reason) = end.disconnect {
            self.reply(&Reply::Disconnect(DisconnectReply::because(reason, end.why)));
        }
        let _ = self.flush(&mut transport).await;
        // The peer may be gone already, or slow: the session is over either way.
        let _ = timeout(FAREWELL, transport.shutdown()).await;
        drop(transport);
        self.afterlife().await;
    }

    async fn serve<T: Transport>(&mut self, transport: &mut T, mut input: BytesMut) -> End {
        let door = self.door.clone();
        let mut stopping = std::pin::pin!(door.stopping.cancelled());
        let mut stop = false;
        let mut judgement = self.next_judgement();
        let mut silence = Instant::now() + self.keep_alive;
        let mut timer = std::pin::pin!(sleep_until(silence.min(judgement)));
        loop {
            if let Err(end) = self.handle_input(&mut input, transport.peer_chain()).await {
                return end;
            }
            if let Err(end) = self.flush(transport).await {
                return end;
            }
            if let Some(end) = self.ending.take() {
                return end;
            }
            if stop && self.under_way.is_empty() {
                return End::fault(DisconnectReason::ServerShuttingDown, "the service is stopping");
            }
            if input.is_empty() && input.capacity() > IDLE_BUFFER {
                input = BytesMut::new();
            }
            let reading = !self.is_busy();
            if reading && input.capacity() - input.len() < IDLE_BUFFER / 2 {
                input.reserve(if input.is_empty() { IDLE_BUFFER } else { READ });
            }
            tokio::select! {
                biased;
                () = &mut stopping, if !stop => stop = true,
                mail = self.post.mailbox.next() => {
                    if let Err(end) = self.on_mail(mail) {
                        return end;
                    }
                }
                Some(progress) = self.under_way.next(), if !self.under_way.is_empty() => self.on_progress(progress),
                delivery = self.ordinary.next() => {
                    if let Err(end) = self.on_delivery(delivery) {
                        return end;
                    }
                }
                read = transport.read_buf(&mut input), if reading => match read {
                    Ok(1..) => {
                        if self.number.is_some() {
                            silence = Instant::now() + self.keep_alive;
                        }
                    }
                    Ok(0) => return End::quiet("the client closed the connection"),
                    // Many clients leave without close_notify.
                    Err(error) => return End::quiet(format!("the connection broke: {error}")),
                },
                () = &mut timer => {
                    // Pushed out by reads; only now is it worth to move the timer.
                    if silence <= Instant::now() {
                        if reading {
                            return self.fell_silent();
                        }
                        // What the client sent waits for us, not we for the client.
                        silence = Instant::now() + self.keep_alive;
                    }
                    if let Err(refusal) = self.identity.proof(&self.door.provisioner, transport.peer_chain()) {
                        return End::fault(DisconnectReason::NotAuthorized, refusal.message.clone());
                    }
                    judgement = self.next_judgement();
                    timer.as_mut().reset(silence.min(judgement));
                }
            }
        }
    }

    /// When the device is judged again: when the first of its certificates expires. A stranger's time is its keep-alive.
    fn next_judgement(&self) -> Instant {
        let now = self.door.provisioner.now();
        let left = self.identity.known_proof().map_or(LONGEST, |proof| proof.valid_until.since(now).min(LONGEST));
        Instant::now() + left
    }

    fn fell_silent(&self) -> End {
        match &self.identity {
            Identity::Device { .. } => {
                End::fault(DisconnectReason::KeepAliveTimeout, "nothing was heard for one and a half keep-alives")
            }
            Identity::Stranger(refusal) => End::fault(DisconnectReason::NotAuthorized, refusal.message.clone()),
        }
    }

    async fn handle_input(&mut self, input: &mut BytesMut, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        while !self.is_busy() && self.ending.is_none() {
            match self.decoder.decode(input) {
                Ok(Some(packet)) => self.handle(packet, chain).await?,
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "malformed packet");
                    return Err(End::fault(error.disconnect_reason(), error.detail));
                }
            }
        }
        Ok(())
    }

    async fn handle(&mut self, packet: Packet, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        if let Packet::Subscribe(Subscribe { filters, .. }) = &packet {
            self.few_enough(filters.len())?;
        }
        if let Packet::Unsubscribe(Unsubscribe { filters, .. }) = &packet {
            self.few_enough(filters.len())?;
        }
        match packet {
            Packet::Publish(publish) => return self.on_publish(publish, chain).await,
            Packet::PubAck(ack) => self.on_puback(ack),
            Packet::PubRec(ack) => self.on_pubrec(ack),
            Packet::PubRel(ack) => self.on_pubrel(ack),
            Packet::PubComp(ack) => self.on_pubcomp(ack),
            Packet::Subscribe(subscribe) => self.on_subscribe(subscribe, chain).await,
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(unsubscribe).await,
            Packet::PingReq => self.reply(&Reply::PingResp),
            Packet::Disconnect(disconnect) => return Err(self.on_disconnect(&disconnect)),
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => return Err(End::fault(DisconnectReason::ProtocolError, "a second CONNECT")),
        }
        Ok(())
    }

    /// A packet may not name more filters than a session may have.
    fn few_enough(&self, filters: usize) -> Result<(), End> {
        let limit = self.door.limits.subscriptions;
        if filters <= limit {
            return Ok(());
        }
        Err(End::fault(
            DisconnectReason::QuotaExceeded,
            format!("{filters} filters in one packet; a session may have {limit}"),
        ))
    }

    fn on_mail(&mut self, mail: Mail) -> Result<(), End> {
        match mail {
            Mail::Answer(message) => {
                self.send_answer(message);
                Ok(())
            }
            Mail::TakenOver => Err(End::fault(
                DisconnectReason::SessionTakenOver,
                "another connection of this device has the same client id",
            )),
            Mail::Displaced => Err(End::fault(
                DisconnectReason::QuotaExceeded,
                "this device has opened as many newer sessions as it may have",
            )),
        }
    }

    /// As many requests are under way as a client may have: its further packets wait in the socket.
    fn is_busy(&self) -> bool {
        self.under_way.len() >= usize::from(self.door.limits.in_flight.max(1))
    }

    /// Puts a packet into the next write.
    pub(super) fn reply(&mut self, reply: &Reply) {
        match self.encoder.encode(reply, &mut self.out) {
            Ok(_) => {}
            Err(error @ EncodeError::TooLarge { .. }) => tracing::debug!(%error, "not sent"),
            Err(error) => tracing::warn!(%error, "not sent"),
        }
    }

    /// Sends a message at its QoS within the client's window.
    pub(super) fn send(&mut self, publish: Publish) {
        match self.outbound.send(publish) {
            Ok(Some(reply)) => self.put(reply),
            Ok(None) => {}
            Err(_) => {
                self.end_with(End::fault(DisconnectReason::QuotaExceeded, "too many messages without acknowledgement"))
            }
        }
    }

    /// Puts a message into the next write. One that is larger than the client takes is sent without what may be left out; if that does
    /// not help, it counts as sent ([MQTT-3.1.2-25]).
    pub(super) fn put(&mut self, reply: Reply) {
        let Reply::Publish(mut publish) = reply else { return self.reply(&reply) };
        for shorter in [false, true] {
            if shorter && let Some(properties) = &mut publish.properties {
                properties.user_properties.clear();
                properties.content_type = None;
            }
            let message = Reply::Publish(publish);
            match self.encoder.encode(&message, &mut self.out) {
                Ok(_) => return,
                Err(error) if shorter => {
                    tracing::info!(%error, "a message was not sent");
                    let Reply::Publish(publish) = message else { return };
                    if let Some(next) = self.outbound.not_sent(publish.pkid) {
                        self.put(next);
                    }
                    return;
                }
                Err(_) => {}
            }
            let Reply::Publish(back) = message else { return };
            publish = back;
        }
    }

    /// The session ends after what has been replied so far.
    pub(super) fn end_with(&mut self, end: End) {
        self.ending.get_or_insert(end);
    }

    pub(super) fn forget_will(&mut self) {
        self.will = None;
    }

    /// Tells others which answers this session listens to.
    pub(super) fn listen(&self) {
        self.post.listen(self.listening());
    }

    pub(super) fn listening(&self) -> Answers {
        self.answers.iter().fold(Answers::default(), |all, filter| all.union(filter.answers))
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.answers.len() + self.ordinary.subscriptions()
    }

    async fn flush<T: Transport>(&mut self, transport: &mut T) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            transport.write_all(&self.out).await?;
            transport.flush().await
        };
        let stopping = &self.door.stopping;
        let written = tokio::select! {
            biased;
            written = timeout(self.door.limits.unread, write) => written,
            () = async { stopping.cancelled().await; sleep(FAREWELL).await } => return Err(End::quiet("the client did not read in time")),
        };
        self.out = BytesMut::new();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::quiet(format!("the connection broke: {error}"))),
            Err(_) => Err(End::quiet("the client did not read what it was sent")),
        }
    }

    /// After the connection: the will, and the answers that are still to come.
    async fn afterlife(mut self) {
        if let (Some(device), Some(number)) = (self.identity.principal(), self.number) {
            self.door.registry.leave(device, number);
        }
        if let Some(will) = self.will.take() {
            self.publish_will(*will).await;
        }
        self.ordinary.close();
        self.hand_over_answers().await;
    }
}
