//! From bytes to packets: frame, guard, rumqttd's reader, and our own types.

use bytes::{BufMut, Bytes, BytesMut};
use rumqttd::protocol::{self as wire, Protocol};

use super::{
    Ack, AckReason, Connect, ConnectProperties, DecodeError, Disconnect, DisconnectReason, Filter, Packet, Publish,
    PublishProperties, QoS, RetainHandling, Subscribe, Unsubscribe, Version, Will,
    error::DecodeReason,
    frame::{self, Header, Kind},
    guard::{self, Shape},
};

/// Takes packets off the front of a connection's read buffer. An error is final.
#[derive(Debug)]
pub struct Decoder {
    max_connect: usize,
    max_packet: usize,
    version: Option<Version>,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// Limits are bytes of a whole packet; `max_connect` holds until a CONNECT has passed, because
    /// until then anyone may be talking.
    pub fn new(max_connect: usize, max_packet: usize) -> Self {
        Self { max_connect, max_packet, version: None, failed: None }
    }

    /// The version of the CONNECT, known even when the rest of that packet was refused.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Changes the limit for packets after the CONNECT, as soon as more is known about the peer.
    pub fn set_max_packet(&mut self, max_packet: usize) {
        self.max_packet = max_packet;
    }

    /// The next packet, or `None` when `buf` does not hold all of it yet.
    ///
    /// Takes exactly the packet off the buffer and never makes the buffer larger. Payloads are
    /// slices of the buffer's memory. A CONNECT after the first passes: refusing it is the
    /// session's rule.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.next(buf);
        if let Err(error) = result {
            self.failed = Some(error);
        }
        result
    }

    fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        let limit = if self.version.is_some() { self.max_packet } else { self.max_connect };
        let Some(header) = frame::read(buf, self.version, limit)? else {
            return Ok(None);
        };
        if buf.len() < header.packet_len {
            return Ok(None);
        }
        let frame = buf.split_to(header.packet_len);
        let kind = header.kind;
        let body = frame.get(header.header_len..).unwrap_or_default();

        let version = match (kind, self.version) {
            (Kind::Connect, _) | (_, None) => guard::sniff(body).map_err(|fault| fault.in_packet(kind))?,
            (_, Some(version)) => version,
        };
        self.version.get_or_insert(version);
        let shape = guard::check(kind, header.flags, version, body).map_err(|fault| fault.in_packet(kind))?;
        // A copy: the session may keep it, the read buffer should not be kept with it.
        let password = shape.password.clone().and_then(|range| body.get(range)).map(Bytes::copy_from_slice);

        let rewritten = rewrite(kind, version, body, &shape);
        let packet = read(version, rewritten.unwrap_or(frame))
            .map_err(|error| kind.error(DecodeReason::Malformed, detail(error)))?;
        match from_wire(packet, version, &header, &shape, password) {
            Some(packet) => Ok(Some(packet)),
            None => Err(kind.error(DecodeReason::ProtocolError, "only a server sends this packet")),
        }
    }
}

/// The frame in a form that rumqttd's readers can take, where they cannot take it as it is.
fn rewrite(kind: Kind, version: Version, body: &[u8], shape: &Shape) -> Option<BytesMut> {
    match (kind, version, body) {
        // A reason without a property length is legal, and what mosquitto_sub -W sends; the reader
        // would swallow it and wait for more.
        (Kind::Disconnect, Version::V5, &[reason]) => Some(BytesMut::from(&[0xE0, 2, reason, 0][..])),
        // The readers demand UTF-8 of a password, which is binary: they see a CONNECT without one.
        (Kind::Connect, ..) => {
            let password = shape.password.as_ref()?;
            Some(without_password(body, password.start))
        }
        _ => None,
    }
}

fn without_password(body: &[u8], password_at: usize) -> BytesMut {
    /// Protocol name (6) and level (1) come before the connect flags.
    const FLAGS_AT: usize = 7;
    // The password is the last field; two bytes of length precede it.
    let kept = body.get(..password_at.saturating_sub(2)).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(kept.len() + 5);
    frame.put_u8(0x10);
    let mut rest = kept.len();
    while rest >= 0x80 {
        frame.put_u8((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    frame.put_u8(rest as u8);
    let flags_at = frame.len() + FLAGS_AT;
    frame.put_slice(kept);
    if let Some(flags) = frame.get_mut(flags_at) {
        *flags &= !0x40;
    }
    frame
}

fn read(version: Version, mut frame: BytesMut) -> Result<wire::Packet, wire::Error> {
    // The size was judged with the fixed header.
    match version {
        Version::V311 => wire::v4::V4.read_mut(&mut frame, usize::MAX),
        Version::V5 => wire::v5::V5.read_mut(&mut frame, usize::MAX),
    }
}

fn detail(error: wire::Error) -> &'static str {
    match error {
        // The whole frame was there: it ends inside a field.
        wire::Error::InsufficientBytes(_) => "a field reaches beyond the end of the packet",
        wire::Error::InvalidReason(_) | wire::Error::InvalidConnectReturnCode(_) => "an unknown reason code",
        wire::Error::PayloadRequired => "a body is missing",
        _ => "the reader refused it",
    }
}

/// Our own packet; `None` for what only servers send, which the frame has refused already.
fn from_wire(
    packet: wire::Packet,
    version: Version,
    header: &Header,
    shape: &Shape,
    password: Option<Bytes>,
) -> Option<Packet> {
    let ack = |reason| Ack { pkid: shape.pkid, reason };
    Some(match packet {
        wire::Packet::Connect(connect, properties, will, will_properties, login) => {
            Packet::Connect(Box::new(Connect {
                version,
                client_id: connect.client_id,
                clean: connect.clean_session,
                keep_alive: connect.keep_alive,
                // rumqttd does not tell an empty user name from none.
                user_name: shape.has_user_name.then(|| login.map(|login| login.username).unwrap_or_default()),
                password,
                will: will.map(|will| from_will(will, will_properties)),
                properties: match version {
                    Version::V311 => None,
                    Version::V5 => Some(Box::new(properties.map(from_connect_properties).unwrap_or_default())),
                },
            }))
        }
        wire::Packet::Publish(publish, properties) => Packet::Publish(Publish {
            // rumqttd keeps these three to itself.
            dup: header.flags & 0b1000 != 0,
            qos: QoS::from_bits((header.flags >> 1) & 0b11)?,
            pkid: shape.pkid,
            retain: publish.retain,
            topic: text(&publish.topic),
            payload: publish.payload,
            properties: properties.map(from_publish_properties).map(Box::new),
        }),
        wire::Packet::PubAck(puback, _) => Packet::PubAck(ack(AckReason::from_puback(puback.reason))),
        wire::Packet::PubRec(pubrec, _) => Packet::PubRec(ack(AckReason::from_pubrec(pubrec.reason))),
        wire::Packet::PubRel(pubrel, _) => Packet::PubRel(ack(AckReason::from_pubrel(pubrel.reason))),
        wire::Packet::PubComp(pubcomp, _) => Packet::PubComp(ack(AckReason::from_pubcomp(pubcomp.reason))),
        wire::Packet::Subscribe(subscribe, properties) => Packet::Subscribe(Subscribe {
            pkid: subscribe.pkid,
            filters: subscribe.filters.into_iter().map(from_filter).collect(),
            identifier: properties.and_then(|properties| properties.id?.try_into().ok()),
        }),
        wire::Packet::Unsubscribe(unsubscribe, _) => {
            Packet::Unsubscribe(Unsubscribe { pkid: unsubscribe.pkid, filters: unsubscribe.filters })
        }
        wire::Packet::PingReq(_) => Packet::PingReq,
        wire::Packet::Disconnect(disconnect, properties) => {
            let (session_expiry_interval, reason_string) =
                properties.map_or((None, None), |it| (it.session_expiry_interval, it.reason_string));
            Packet::Disconnect(Disconnect {
                reason: DisconnectReason::from_wire(disconnect.reason_code),
                session_expiry_interval,
                reason_string,
            })
        }
        wire::Packet::ConnAck(..)
        | wire::Packet::SubAck(..)
        | wire::Packet::UnsubAck(..)
        | wire::Packet::PingResp(_) => return None,
    })
}

/// The guard has proved that it is UTF-8; nothing is ever replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn from_will(will: wire::LastWill, properties: Option<wire::LastWillProperties>) -> Will {
    Will {
        topic: text(&will.topic),
        // Kept as long as the connection lives, so it may not hold on to the read buffer.
        payload: Bytes::copy_from_slice(&will.message),
        qos: QoS::from_wire(will.qos),
        retain: will.retain,
        delay_interval: properties.as_ref().and_then(|it| it.delay_interval).unwrap_or(0),
        properties: properties.map(|it| {
            Box::new(PublishProperties {
                payload_format_indicator: it.payload_format_indicator,
                message_expiry_interval: it.message_expiry_interval,
                content_type: it.content_type,
                response_topic: it.response_topic,
                correlation_data: it.correlation_data.map(|data| Bytes::copy_from_slice(&data)),
                user_properties: it.user_properties,
                subscription_identifiers: Vec::new(),
            })
        }),
    }
}

fn from_connect_properties(properties: wire::ConnectProperties) -> ConnectProperties {
    ConnectProperties {
        session_expiry_interval: properties.session_expiry_interval,
        receive_maximum: properties.receive_maximum,
        max_packet_size: properties.max_packet_size,
        topic_alias_maximum: properties.topic_alias_max,
        request_problem_information: properties.request_problem_info.map(|it| it != 0),
        request_response_information: properties.request_response_info.map(|it| it != 0),
        authentication_method: properties.authentication_method,
        user_properties: properties.user_properties,
    }
}

fn from_publish_properties(properties: wire::PublishProperties) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: properties.payload_format_indicator,
        message_expiry_interval: properties.message_expiry_interval,
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        // Short, and often kept beside a request: it may not hold on to the read buffer.
        correlation_data: properties.correlation_data.map(|data| Bytes::copy_from_slice(&data)),
        user_properties: properties.user_properties,
        subscription_identifiers: Vec::new(),
    }
}

fn from_filter(filter: wire::Filter) -> Filter {
    Filter {
        path: filter.path,
        qos: QoS::from_wire(filter.qos),
        no_local: filter.nolocal,
        retain_as_published: filter.preserve_retain,
        retain_handling: match filter.retain_forward_rule {
            wire::RetainForwardRule::OnEverySubscribe => RetainHandling::OnEverySubscribe,
            wire::RetainForwardRule::OnNewSubscribe => RetainHandling::OnNewSubscribe,
            wire::RetainForwardRule::Never => RetainHandling::Never,
        },
    }
}
