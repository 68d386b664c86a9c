//! An open connection: requests out, their answers in.
//!
//! ```text
//! connect ──▶ idle ──ask──▶ (first of its kind: SUBSCRIBE, SUBACK) ──▶ PUBLISH ──▶ pending* ──▶ accepted | rejected ──▶ idle
//! ```
//!
//! Answers are listened for on the split topics (`accepted`, `rejected`, `pending`) and told apart by `rid`, in both versions of MQTT.
//! MQTT 5's Response Topic and Correlation Data would need a subscription as well and would put all kinds of answers onto one topic;
//! this way there is one path, and the topic says what the body is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use firsthop_protocol::codec::{self, DecodeError, MAX_REQUEST};
use firsthop_protocol::topic::{self, Suffix};
use firsthop_protocol::{Answer, Format, HubName, OperationId, RegisterRequest, RequestId, StatusRequest};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::packet::{Granted, Incoming, Outgoing};
use crate::reason::Reason;
use crate::stream::{PacketStream, ReadError};
use crate::{Endpoint, Error, MqttVersion, Options, Waiting, latency, tls};

/// How long a good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The answer topics of a request that are subscribed to, at QoS 0: a clean session repeats nothing, so an acknowledgement of ours would
/// only cost a packet.
const SUFFIXES: [Suffix; 3] = [Suffix::Accepted, Suffix::Rejected, Suffix::Pending];

/// A request, whichever.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// Register, or register again.
    Register(&'a RegisterRequest),
    /// Look the registration up.
    Status(&'a StatusRequest),
}

/// An answer with the bytes it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The answer as understood.
    pub answer: Answer,
    /// The body as received.
    pub body: Bytes,
    /// The body's format.
    pub format: Format,
}

/// A connection to a provisioning endpoint. After an error of the connection itself (closed, TLS, protocol) it is of no further use;
/// after a time-out or a refusal it is.
pub struct Connection {
    packets: PacketStream<TlsStream<TcpStream>>,
    endpoint: Endpoint,
    format: Format,
    timeout: Duration,
    keep_alive: Option<Duration>,
    /// When something has to be sent for the server to keep the connection.
    ping_at: Option<Instant>,
    /// Requests whose answer topics are subscribed to.
    subscribed: Vec<topic::Request>,
    last_packet_id: u16,
}

impl Connection {
    pub(crate) async fn open(
        packets: PacketStream<TlsStream<TcpStream>>,
        endpoint: Endpoint,
        client_id: &str,
        options: &Options,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let seconds = options.keep_alive.as_millis().div_ceil(1000);
        let keep_alive = u16::try_from(seconds).unwrap_or(u16::MAX);
        let mut connection = Self {
            packets,
            endpoint,
            format: options.format,
            timeout: options.timeout,
            keep_alive: interval(keep_alive),
            ping_at: None,
            subscribed: Vec::new(),
            last_packet_id: 0,
        };
        connection
            .send(Outgoing::Connect { client_id, user_name: None, keep_alive }, Waiting::ConnAck, deadline)
            .await?;
        match connection.receive(Waiting::ConnAck, deadline).await? {
            Incoming::ConnAck { code: 0, keep_alive, .. } => {
                if let Some(servers_choice) = keep_alive {
                    connection.keep_alive = interval(servers_choice);
                    connection.ping_at = connection.keep_alive.map(|interval| Instant::now() + interval);
                }
                Ok(connection)
            }
            Incoming::ConnAck { code, words, instead, .. } => {
                let version = connection.packets.version();
                let reason = Reason::of_connack(version, code, words).instead(instead);
                Err(Error::ConnectionRefused { server: connection.endpoint.to_string(), version, reason })
            }
            other => Err(connection.out_of_place(&other)),
        }
    }

    /// Registers. Waits past `pending` for the final answer; when that does not come in time, the answer is the pending one.
    ///
    /// Without a `rid` the request gets a random one.
    pub async fn register(&mut self, request: &RegisterRequest) -> Result<Answer, Error> {
        self.ask(Request::Register(request)).await.map(|reply| reply.answer)
    }

    /// Looks the registration up; changes nothing.
    pub async fn status(&mut self, request: &StatusRequest) -> Result<Answer, Error> {
        self.ask(Request::Status(request)).await.map(|reply| reply.answer)
    }

    /// Asks which hubs the device may be assigned to and measures them: the `latencies` of a registration. Empty where measurements do not
    /// count for this device. A hub that does not answer within `limit` is left out.
    pub async fn measure_hubs(&mut self, limit: Duration) -> Result<BTreeMap<HubName, u32>, Error> {
        let request = StatusRequest { candidates: Some(true), ..StatusRequest::default() };
        let candidates = match self.status(&request).await? {
            Answer::Accepted(accepted) => accepted.candidates,
            // A device that is not registered yet is told them, too.
            Answer::Rejected(rejected) => rejected.candidates,
            Answer::Pending(_) => None,
        };
        Ok(latency::measure(&candidates.unwrap_or_default(), limit).await)
    }

    /// Either request; the answer comes with the bytes it came in.
    pub async fn ask(&mut self, request: Request<'_>) -> Result<Reply, Error> {
        let deadline = Instant::now() + self.timeout;
        let (request, rid, body) = request.prepare(self.format);
        if body.len() > MAX_REQUEST {
            return Err(Error::RequestTooLarge { len: body.len() });
        }
        self.subscribe(request, deadline).await?;

        let packet_id = self.next_packet_id();
        let publish = Outgoing::Publish { packet_id, topic: request.topic(), format: Some(self.format), body: &body };
        self.send(publish, Waiting::Answer, deadline).await?;
        let mut acknowledged = false;
        let mut pending = None;
        loop {
            let packet = match (self.receive(Waiting::Answer, deadline).await, pending.take()) {
                (Err(Error::TimedOut { .. }), Some(reply)) => return Ok(reply),
                (received, earlier) => {
                    pending = earlier;
                    received?
                }
            };
            match packet {
                Incoming::PubAck { packet_id: id, code, words } if id == packet_id => {
                    // Below 0x80 lies one failure: nobody listens for the answer (0x10).
                    if code != 0 {
                        let reason = Reason::of_v5(code, words);
                        return Err(Error::PublicationRefused {
                            server: self.endpoint.to_string(),
                            topic: request.topic(),
                            reason,
                        });
                    }
                    acknowledged = true;
                }
                Incoming::Publish { topic, body, .. } => {
                    match self.answer(request, &rid, &topic, body, acknowledged)? {
                        Some(reply) if matches!(reply.answer, Answer::Pending(_)) => pending = Some(reply),
                        Some(reply) => return Ok(reply),
                        None => tracing::debug!(topic, "ignored an answer to another request"),
                    }
                }
                Incoming::ConnAck { .. } => return Err(self.out_of_place(&packet)),
                // Of a request that its caller gave up.
                _ => {}
            }
        }
    }

    /// Sends something and waits for the echo, which also keeps the connection alive.
    pub async fn ping(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        self.send(Outgoing::PingReq, Waiting::PingResp, deadline).await?;
        while self.receive(Waiting::PingResp, deadline).await? != Incoming::PingResp {}
        Ok(())
    }

    /// Gives the requests that follow another time-out than the options did.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Says good-bye: DISCONNECT, then the end of TLS. A connection that is merely dropped ends without a word.
    pub async fn close(mut self) {
        self.packets.queue(Outgoing::Disconnect);
        let farewell = async {
            self.packets.flush().await?;
            self.packets.shutdown().await
        };
        if let Ok(Err(error)) = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await {
            tracing::debug!(%error, "the connection was gone before the good-bye");
        }
    }

    async fn subscribe(&mut self, request: topic::Request, deadline: Instant) -> Result<(), Error> {
        if self.subscribed.contains(&request) {
            return Ok(());
        }
        let packet_id = self.next_packet_id();
        let filters = SUFFIXES.map(|suffix| topic::answer(request, suffix));
        self.send(
            Outgoing::Subscribe { packet_id, filters: &filters, qos: Granted::AtMostOnce },
            Waiting::SubAck,
            deadline,
        )
        .await?;
        loop {
            match self.receive(Waiting::SubAck, deadline).await? {
                Incoming::SubAck { packet_id: id, codes, words } if id == packet_id => {
                    if codes.len() != filters.len() {
                        let message = format!("SUBACK with {} codes for {} filters", codes.len(), filters.len());
                        return Err(Error::Protocol { server: self.endpoint.to_string(), message });
                    }
                    if let Some((code, filter)) = codes.into_iter().zip(filters).find(|(code, _)| *code >= 0x80) {
                        let reason = Reason::of_suback(self.packets.version(), code, words);
                        return Err(Error::SubscriptionRefused { server: self.endpoint.to_string(), filter, reason });
                    }
                    self.subscribed.push(request);
                    return Ok(());
                }
                packet @ Incoming::ConnAck { .. } => return Err(self.out_of_place(&packet)),
                // An answer that the service kept for us may come first; it is not to the request that is about to be sent.
                _ => {}
            }
        }
    }

    /// Reads a publication as an answer to our request; `None` when it answers another one.
    ///
    /// An answer is ours by its `rid`. One without any (the service could not read the request that far) or that cannot be read is taken
    /// for ours only after our PUBACK, because the service acknowledges before it answers and sends kept answers earlier.
    fn answer(
        &self,
        request: topic::Request,
        rid: &RequestId,
        topic: &str,
        body: Bytes,
        acknowledged: bool,
    ) -> Result<Option<Reply>, Error> {
        let Some(suffix) = SUFFIXES.into_iter().find(|suffix| topic::answer(request, *suffix) == topic) else {
            return Ok(None);
        };
        let format = Format::sniff(&body).unwrap_or(self.format);
        match read(suffix, &body, format) {
            Ok(answer) => {
                let ours = match rid_of(&answer) {
                    Some(found) => found == rid,
                    None => acknowledged && matches!(answer, Answer::Rejected(_)),
                };
                Ok(ours.then_some(Reply { answer, body, format }))
            }
            Err(source) if acknowledged => Err(Error::MalformedAnswer {
                server: self.endpoint.to_string(),
                topic: topic::answer(request, suffix),
                source,
            }),
            Err(_) => Ok(None),
        }
    }

    async fn send(&mut self, packet: Outgoing<'_>, waiting: Waiting, deadline: Instant) -> Result<(), Error> {
        self.packets.queue(packet);
        match timeout_at(deadline, self.packets.flush()).await {
            Ok(Ok(())) => {
                self.ping_at = self.keep_alive.map(|interval| Instant::now() + interval);
                Ok(())
            }
            // With TLS 1.3 our side of the handshake is over before the server has judged our certificate. If it hung up meanwhile, what
            // it said before is still to be read and tells more than the failed write.
            Ok(Err(error)) => match timeout_at(deadline, self.packets.next()).await {
                Ok(Err(ReadError::Io(said))) => Err(tls::failure(said, &self.endpoint, waiting)),
                Ok(Ok(Incoming::Disconnect { code, words, instead })) => {
                    Err(self.disconnected(Reason::of_v5(code, words).instead(instead), waiting))
                }
                _ => Err(tls::failure(error, &self.endpoint, waiting)),
            },
            Err(_) => Err(self.timed_out(waiting)),
        }
    }

    /// The next packet. Acknowledges publications and keeps the connection alive on the way.
    async fn receive(&mut self, waiting: Waiting, deadline: Instant) -> Result<Incoming, Error> {
        loop {
            let wake = self.ping_at.map_or(deadline, |ping_at| ping_at.min(deadline));
            match timeout_at(wake, self.packets.next()).await {
                Ok(Ok(Incoming::Disconnect { code, words, instead })) => {
                    return Err(self.disconnected(Reason::of_v5(code, words).instead(instead), waiting));
                }
                Ok(Ok(packet)) => {
                    if let Incoming::Publish { packet_id: Some(packet_id), .. } = packet {
                        // Should this fail, then the next read says so; what has arrived still counts.
                        if let Err(error) = self.send(Outgoing::PubAck { packet_id }, waiting, deadline).await {
                            tracing::debug!(%error, "a publication cannot be acknowledged");
                        }
                    }
                    return Ok(packet);
                }
                Ok(Err(ReadError::Io(error))) => return Err(tls::failure(error, &self.endpoint, waiting)),
                Ok(Err(ReadError::Packet(error))) => {
                    return Err(Error::Protocol { server: self.endpoint.to_string(), message: error.to_string() });
                }
                Err(_) if Instant::now() >= deadline => return Err(self.timed_out(waiting)),
                Err(_) => self.send(Outgoing::PingReq, waiting, deadline).await?,
            }
        }
    }

    fn next_packet_id(&mut self) -> u16 {
        self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
        self.last_packet_id
    }

    fn timed_out(&self, waiting: Waiting) -> Error {
        Error::TimedOut { server: self.endpoint.to_string(), waiting, after: self.timeout }
    }

    fn disconnected(&self, reason: Reason, waiting: Waiting) -> Error {
        Error::Closed { server: self.endpoint.to_string(), waiting, reason: Some(reason) }
    }

    fn out_of_place(&self, packet: &Incoming) -> Error {
        Error::Protocol { server: self.endpoint.to_string(), message: format!("{} has no place here", packet.name()) }
    }

    /// The edition of MQTT that the connection speaks.
    pub fn version(&self) -> MqttVersion {
        self.packets.version()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.endpoint.to_string())
            .field("mqtt", &self.version())
            .finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// The request's kind, its `rid` (made up where it has none) and its encoded body.
    fn prepare(self, format: Format) -> (topic::Request, RequestId, Bytes) {
        match self {
            Self::Register(request) => {
                let rid = request.rid.clone().unwrap_or_else(random_rid);
                let request = RegisterRequest { rid: Some(rid.clone()), ..request.clone() };
                (topic::Request::Register, rid, codec::encode(&request, format).into())
            }
            Self::Status(request) => {
                let rid = request.rid.clone().unwrap_or_else(random_rid);
                let request = StatusRequest { rid: Some(rid.clone()), ..request.clone() };
                (topic::Request::Status, rid, codec::encode(&request, format).into())
            }
        }
    }
}

/// A `rid` that no other request of this identity has: random in the way operation ids are.
fn random_rid() -> RequestId {
    RequestId::parse(&OperationId::random().to_string()).expect("36 characters are fewer than a rid may have")
}

fn read(suffix: Suffix, body: &[u8], format: Format) -> Result<Answer, DecodeError> {
    Ok(match suffix {
        Suffix::Accepted => Answer::Accepted(codec::decode(body, format)?),
        Suffix::Pending => Answer::Pending(codec::decode(body, format)?),
        Suffix::Rejected => Answer::Rejected(codec::decode(body, format)?),
        Suffix::Response => codec::decode(body, format)?,
    })
}

fn rid_of(answer: &Answer) -> Option<&RequestId> {
    match answer {
        Answer::Accepted(accepted) => accepted.rid.as_ref(),
        Answer::Pending(pending) => pending.rid.as_ref(),
        Answer::Rejected(rejected) => rejected.rid.as_ref(),
    }
}

fn interval(seconds: u16) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
