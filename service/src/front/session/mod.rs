//! A session: one client after its CONNECT. Topics of its endpoint go to its [`Role`], ordinary ones to the bus.
//!
//! One task owns everything; others reach it through its mailbox. Packets are handled strictly in order, and what a batch of them
//! causes goes out in one write.

mod end;
mod role;
mod sending;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::codec::{Decoder, DisconnectReason, Encoder, Packet, Publish, Reply, Subscribe, Unsubscribe, Version, Will};
use super::endpoint::Endpoint;
use super::listener::Transport;
use super::ordinary::Ordinary;
use super::outbound::Outbound;

pub use end::End;
pub use role::{LONGEST, NoAccess, NotSubscribed, Role};

/// How long a client may still take when the service stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// What is kept allocated for reading while a session is idle.
const IDLE_BUFFER: usize = 1024;
/// What is read at once.
const READ: usize = 4096;

/// A request that the session waits for.
pub type Working<R> = Pin<Box<dyn Future<Output = <R as Role>::Progress> + Send>>;

pub struct Session<R: Role> {
    pub(super) role: R,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) version: Version,
    pub(super) outbound: Outbound,
    /// Ids of QoS 2 messages that are ours and not yet released.
    pub(super) received: Vec<u16>,
    pub(super) under_way: FuturesUnordered<Working<R>>,
    pub(super) ordinary: Ordinary,
    decoder: Decoder,
    encoder: Encoder,
    out: BytesMut,
    /// Set by whoever finds that the session has to end after what is in `out`.
    ending: Option<End>,
    will: Option<Box<Will>>,
    keep_alive: Duration,
    _place: OwnedSemaphorePermit,
}

/// What a client's CONNECT settled, whatever the endpoint.
pub struct Terms {
    pub version: Version,
    /// The longest silence.
    pub silence: Duration,
    pub receive_maximum: Option<u16>,
    pub will: Option<Box<Will>>,
}

impl<R: Role> Session<R> {
    pub fn new(
        role: R,
        endpoint: Arc<Endpoint>,
        (decoder, encoder): (Decoder, Encoder),
        terms: Terms,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            role,
            endpoint,
            version: terms.version,
            outbound: Outbound::new(terms.receive_maximum),
            received: Vec::new(),
            under_way: FuturesUnordered::new(),
            ordinary: Ordinary::default(),
            decoder,
            encoder,
            out: BytesMut::new(),
            ending: None,
            will: terms.will,
            keep_alive: terms.silence,
            _place: place,
        }
    }

    /// Runs to the end of the connection and beyond: what is under way is carried to its end for whoever else listens.
    pub async fn run<T: Transport>(mut self, mut transport: T, input: BytesMut) {
        tracing::debug!("session begins");
        let end = self.serve(&mut transport, input).await;
        let will = self.will.take();
        self.will = will.filter(|will| {
            let may = self.may_still_publish(&will.topic, transport.peer_chain());
            if !may {
                tracing::info!(topic = will.topic, "the will was not published: the device may not, or not any more");
            }
            may
        });
        tracing::debug!(why = end.why, "session ends");
        if let Some(farewell) = end.farewell() {
            self.reply(&Reply::Disconnect(farewell));
        }
        let _ = self.flush(&mut transport).await;
        // The peer may be gone already, or slow: the session is over either way.
        let _ = timeout(FAREWELL, transport.shutdown()).await;
        drop(transport);
        Box::pin(self.afterlife()).await;
    }

    /// The device may have lost its enrollment, or its hub, since its CONNECT.
    fn may_still_publish(&mut self, topic: &str, chain: &[CertificateDer<'_>]) -> bool {
        self.role.judge(chain).is_ok() && self.role.access(chain).is_ok_and(|access| access.may_publish(topic))
    }

    async fn serve<T: Transport>(&mut self, transport: &mut T, mut input: BytesMut) -> End {
        let endpoint = self.endpoint.clone();
        let mut stopping = std::pin::pin!(endpoint.stopping.cancelled());
        let mut stop = false;
        let mut judgement = Instant::now() + self.role.judged_for();
        let mut silence = Instant::now() + self.keep_alive;
        let mut timer = std::pin::pin!(sleep_until(silence.min(judgement)));
        loop {
            let received = !input.is_empty();
            if let Err(end) = self.handle_input(&mut input, transport.peer_chain()).await {
                return end;
            }
            if R::PROMPT && received && self.out.is_empty() {
                transport.acknowledge_now();
            }
            let full = self.is_full();
            if let Err(end) = self.flush(transport).await {
                return end;
            }
            if let Some(end) = self.ending.take() {
                return end;
            }
            if stop && self.under_way.is_empty() {
                return End::fault(DisconnectReason::ServerShuttingDown, "the service is stopping");
            }
            if full {
                continue;
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
                mail = self.role.next_mail() => {
                    if let Err(end) = R::on_mail(self, mail) {
                        return end;
                    }
                }
                Some(progress) = self.under_way.next(), if !self.under_way.is_empty() => {
                    if let Err(end) = R::on_progress(self, progress) {
                        return end;
                    }
                }
                delivery = self.ordinary.next() => {
                    if let Err(end) = self.on_delivery(delivery) {
                        return end;
                    }
                }
                read = transport.read_buf(&mut input), if reading => match read {
                    Ok(1..) => {
                        if self.role.lasts() {
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
                            return self.role.time_is_over();
                        }
                        // What the client sent waits for us, not we for the client.
                        silence = Instant::now() + self.keep_alive;
                    }
                    if let Err(end) = self.role.judge(transport.peer_chain()) {
                        return end;
                    }
                    judgement = Instant::now() + self.role.judged_for();
                    timer.as_mut().reset(silence.min(judgement));
                }
            }
        }
    }

    async fn handle_input(&mut self, input: &mut BytesMut, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        while !self.is_busy() && !self.is_full() && self.ending.is_none() {
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
            // Boxed, because they are rare and large: an idle session has no room for them.
            Packet::Subscribe(subscribe) => Box::pin(self.on_subscribe(subscribe, chain)).await,
            Packet::Unsubscribe(unsubscribe) => return Box::pin(self.on_unsubscribe(unsubscribe)).await,
            Packet::PingReq => self.reply(&Reply::PingResp),
            Packet::Disconnect(disconnect) => return Err(Box::pin(self.on_disconnect(&disconnect)).await),
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => return Err(End::fault(DisconnectReason::ProtocolError, "a second CONNECT")),
        }
        Ok(())
    }

    /// A packet may not name more filters than a session may have.
    fn few_enough(&self, filters: usize) -> Result<(), End> {
        let limit = self.endpoint.limits.subscriptions;
        if filters <= limit {
            return Ok(());
        }
        Err(End::fault(
            DisconnectReason::QuotaExceeded,
            format!("{filters} filters in one packet; a session may have {limit}"),
        ))
    }

    /// As many requests are under way as a client may have: its further packets wait in the socket.
    fn is_busy(&self) -> bool {
        self.under_way.len() >= usize::from(self.endpoint.limits.in_flight.max(1))
    }

    /// The session ends after what has been replied so far.
    pub(super) fn end_with(&mut self, end: End) {
        self.ending.get_or_insert(end);
    }

    pub(super) fn forget_will(&mut self) {
        self.will = None;
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.role.subscriptions() + self.ordinary.subscriptions()
    }

    /// After the connection: the will, and what is still under way.
    async fn afterlife(mut self) {
        self.role.leave();
        if let Some(will) = self.will.take() {
            let publish = Publish {
                qos: will.qos,
                retain: will.retain,
                topic: will.topic,
                payload: will.payload,
                properties: will.properties,
                ..Publish::default()
            };
            R::publish_will(&mut self, publish).await;
        }
        self.ordinary.close();
        R::afterlife(self).await;
    }
}
