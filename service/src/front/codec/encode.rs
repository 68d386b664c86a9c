//! From replies to bytes, through rumqttd's writers.
//!
//! The writers panic on codes and properties of the other version, cut long texts at 16 bits, leave
//! half a packet behind on an error, and write a DISCONNECT without properties wrongly. So what they
//! get is checked and mapped first, and what a failed write left is taken back.

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::{self as wire, Protocol};

use super::{
    AckReply, ConnAck, ConnAckProperties, Connect, DisconnectReason, DisconnectReply, EncodeError, Problem, Publish,
    PublishProperties, QoS, Reply, SubAck, UnsubAck, Version,
};

/// Writes packets as one client wants them.
#[derive(Debug, Clone, Copy)]
pub struct Encoder {
    version: Version,
    max_packet: usize,
    problem_information: bool,
}

impl Encoder {
    /// For a client that has said nothing but its version.
    pub fn new(version: Version) -> Self {
        Self { version, max_packet: usize::MAX, problem_information: true }
    }

    /// For a client that has sent its CONNECT, with the limits it named there.
    pub fn for_client(connect: &Connect) -> Self {
        let mut encoder = Self::new(connect.version);
        if let Some(properties) = &connect.properties {
            if let Some(max) = properties.max_packet_size {
                encoder.max_packet = usize::try_from(max).unwrap_or(usize::MAX);
            }
            encoder.problem_information = properties.request_problem_information.unwrap_or(true);
        }
        encoder
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// Appends the packet and answers how many bytes it took: 0 for what the version cannot say
    /// (a DISCONNECT to 3.1.1). On an error nothing was appended.
    pub fn encode(&self, reply: &Reply, out: &mut BytesMut) -> Result<usize, EncodeError> {
        let may_explain = self.problem_information || matches!(reply, Reply::ConnAck(_) | Reply::Disconnect(_));
        match self.write(reply, may_explain, out) {
            // An explanation may not make a packet larger than the client takes.
            Err(EncodeError::TooLarge { .. }) if may_explain && explains(reply) => self.write(reply, false, out),
            result => result,
        }
    }

    fn write(&self, reply: &Reply, explain: bool, out: &mut BytesMut) -> Result<usize, EncodeError> {
        let packet = reply.name();
        check(reply, explain && self.version == Version::V5)?;
        let start = out.len();
        let written = match self.version {
            Version::V311 => match to_v311(reply) {
                Some(reply) => wire::v4::V4.write(reply, out),
                None => return Ok(0),
            },
            Version::V5 => match reply {
                Reply::Disconnect(it) if is_reason_alone(it, explain) => {
                    write_disconnect_reason(it.reason, out);
                    Ok(4)
                }
                _ => wire::v5::V5.write(to_v5(reply, explain), out),
            },
        };
        let size = out.len() - start;
        let result = match written {
            Err(_) => Err(EncodeError::Refused { packet }),
            Ok(_) if size > self.max_packet => Err(EncodeError::TooLarge { packet, size, limit: self.max_packet }),
            Ok(_) => Ok(size),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

/// Appends a packet for a client without limits.
pub fn encode(reply: &Reply, version: Version, out: &mut BytesMut) -> Result<usize, EncodeError> {
    Encoder::new(version).encode(reply, out)
}

fn explains(reply: &Reply) -> bool {
    problem(reply).is_some()
}

fn problem(reply: &Reply) -> Option<&Problem> {
    match reply {
        Reply::ConnAck(it) => it.properties.problem.as_deref(),
        Reply::PubAck(it) | Reply::PubRec(it) | Reply::PubRel(it) | Reply::PubComp(it) => it.problem.as_deref(),
        Reply::SubAck(it) => it.problem.as_deref(),
        Reply::UnsubAck(it) => it.problem.as_deref(),
        Reply::Disconnect(it) => it.problem.as_deref(),
        Reply::Publish(_) | Reply::PingResp => None,
    }
}

/// What the writers take on trust.
fn check(reply: &Reply, explain: bool) -> Result<(), EncodeError> {
    let packet = reply.name();
    let fits = |field: &'static str, size: usize| match u16::try_from(size) {
        Ok(_) => Ok(()),
        Err(_) => Err(EncodeError::FieldTooLong { packet, field, size }),
    };
    let all_fit = |pairs: &[(String, String)]| {
        pairs.iter().try_for_each(|(name, value)| {
            fits("user property", name.len()).and_then(|()| fits("user property", value.len()))
        })
    };
    let text_fits = |field, text: &Option<String>| fits(field, text.as_ref().map_or(0, String::len));
    let has_id = |pkid| match pkid {
        0 => Err(EncodeError::PacketIdZero { packet }),
        _ => Ok(()),
    };
    let answers = |empty| {
        if empty { Err(EncodeError::NoReasons { packet }) } else { Ok(()) }
    };

    match reply {
        Reply::ConnAck(it) => {
            text_fits("assigned client id", &it.properties.assigned_client_id)?;
            text_fits("response information", &it.properties.response_information)?;
            text_fits("server reference", &it.properties.server_reference)?;
        }
        Reply::Publish(it) => {
            if it.qos != QoS::AtMostOnce {
                has_id(it.pkid)?;
            }
            fits("topic", it.topic.len())?;
            if let Some(it) = &it.properties {
                text_fits("content type", &it.content_type)?;
                text_fits("response topic", &it.response_topic)?;
                fits("correlation data", it.correlation_data.as_ref().map_or(0, |data| data.len()))?;
                all_fit(&it.user_properties)?;
            }
        }
        Reply::PubAck(it) | Reply::PubRec(it) | Reply::PubRel(it) | Reply::PubComp(it) => {
            has_id(it.pkid)?;
        }
        Reply::SubAck(it) => {
            has_id(it.pkid)?;
            answers(it.reasons.is_empty())?;
        }
        Reply::UnsubAck(it) => {
            has_id(it.pkid)?;
            answers(it.reasons.is_empty())?;
        }
        Reply::Disconnect(it) => text_fits("server reference", &it.server_reference)?,
        Reply::PingResp => {}
    }
    match problem(reply) {
        Some(problem) if explain => {
            text_fits("reason string", &problem.reason_string)?;
            all_fit(&problem.user_properties)
        }
        _ => Ok(()),
    }
}

/// The packet without anything that only MQTT 5 knows; `None` when nothing is left.
fn to_v311(reply: &Reply) -> Option<wire::Packet> {
    let version = Version::V311;
    Some(match reply {
        Reply::ConnAck(it) => wire::Packet::ConnAck(connack(it, version), None),
        Reply::Publish(it) => wire::Packet::Publish(publish(it), None),
        Reply::PubAck(it) => wire::Packet::PubAck(puback(it), None),
        Reply::PubRec(it) => wire::Packet::PubRec(pubrec(it), None),
        Reply::PubRel(it) => wire::Packet::PubRel(pubrel(it), None),
        Reply::PubComp(it) => wire::Packet::PubComp(pubcomp(it), None),
        Reply::SubAck(it) => wire::Packet::SubAck(suback(it, version), None),
        Reply::UnsubAck(it) => wire::Packet::UnsubAck(unsuback(it), None),
        Reply::PingResp => wire::Packet::PingResp(wire::PingResp),
        Reply::Disconnect(_) => return None,
    })
}

fn to_v5(reply: &Reply, explain: bool) -> wire::Packet {
    let version = Version::V5;
    let problem = if explain { problem(reply) } else { None };
    let reason_string = problem.and_then(|it| it.reason_string.clone());
    let user_properties = problem.map(|it| it.user_properties.clone()).unwrap_or_default();
    let explained = reason_string.is_some() || !user_properties.is_empty();
    match reply {
        Reply::ConnAck(it) => wire::Packet::ConnAck(
            connack(it, version),
            Some(connack_properties(&it.properties, reason_string, user_properties)),
        ),
        Reply::Publish(it) => wire::Packet::Publish(publish(it), it.properties.as_deref().map(publish_properties)),
        Reply::PubAck(it) => wire::Packet::PubAck(
            puback(it),
            explained.then_some(wire::PubAckProperties { reason_string, user_properties }),
        ),
        Reply::PubRec(it) => wire::Packet::PubRec(
            pubrec(it),
            explained.then_some(wire::PubRecProperties { reason_string, user_properties }),
        ),
        Reply::PubRel(it) => wire::Packet::PubRel(
            pubrel(it),
            explained.then_some(wire::PubRelProperties { reason_string, user_properties }),
        ),
        Reply::PubComp(it) => wire::Packet::PubComp(
            pubcomp(it),
            explained.then_some(wire::PubCompProperties { reason_string, user_properties }),
        ),
        Reply::SubAck(it) => wire::Packet::SubAck(
            suback(it, version),
            explained.then_some(wire::SubAckProperties { reason_string, user_properties }),
        ),
        Reply::UnsubAck(it) => wire::Packet::UnsubAck(
            unsuback(it),
            explained.then_some(wire::UnsubAckProperties { reason_string, user_properties }),
        ),
        Reply::PingResp => wire::Packet::PingResp(wire::PingResp),
        Reply::Disconnect(it) => wire::Packet::Disconnect(
            wire::Disconnect { reason_code: it.reason.to_wire() },
            (explained || it.server_reference.is_some()).then(|| wire::DisconnectProperties {
                session_expiry_interval: None,
                reason_string,
                user_properties,
                server_reference: it.server_reference.clone(),
            }),
        ),
    }
}

fn is_reason_alone(it: &DisconnectReply, explain: bool) -> bool {
    let explained = explain
        && it
            .problem
            .as_ref()
            .is_some_and(|problem| problem.reason_string.is_some() || !problem.user_properties.is_empty());
    it.reason != DisconnectReason::Normal && !explained && it.server_reference.is_none()
}

/// A DISCONNECT of a reason alone, which the writer gets wrong twice: without properties it
/// announces one byte and writes two, with empty ones it writes a normal disconnection. The form
/// with a property length is taken because rumqttc does not read the shorter one.
fn write_disconnect_reason(reason: DisconnectReason, out: &mut BytesMut) {
    out.put_slice(&[0xE0, 2, reason.code(), 0]);
}

fn connack(it: &ConnAck, version: Version) -> wire::ConnAck {
    wire::ConnAck {
        // A refusal has no session; both versions say so.
        session_present: it.session_present && it.reason.code(version) == 0,
        code: it.reason.to_wire(version),
    }
}

fn connack_properties(
    it: &ConnAckProperties,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
) -> wire::ConnAckProperties {
    wire::ConnAckProperties {
        session_expiry_interval: it.session_expiry_interval,
        receive_max: it.receive_maximum,
        max_qos: it.maximum_qos,
        retain_available: it.retain_available.map(u8::from),
        max_packet_size: it.max_packet_size,
        assigned_client_identifier: it.assigned_client_id.clone(),
        topic_alias_max: None,
        reason_string,
        user_properties,
        wildcard_subscription_available: it.wildcard_subscription_available.map(u8::from),
        subscription_identifiers_available: it.subscription_identifiers_available.map(u8::from),
        shared_subscription_available: it.shared_subscription_available.map(u8::from),
        server_keep_alive: it.server_keep_alive,
        response_information: it.response_information.clone(),
        server_reference: it.server_reference.clone(),
        authentication_method: None,
        authentication_data: None,
    }
}

/// QoS, packet id and DUP are private to rumqttd; its own serial form is the way in.
fn publish(it: &Publish) -> wire::Publish {
    let mut head = BytesMut::with_capacity(5 + it.topic.len());
    let dup = it.dup && it.qos != QoS::AtMostOnce;
    head.put_u8(u8::from(dup) << 3 | (it.qos as u8) << 1 | u8::from(it.retain));
    head.put_u16(it.pkid);
    // The length was checked to fit.
    head.put_u16(it.topic.len() as u16);
    head.put_slice(it.topic.as_bytes());
    let mut publish = wire::Publish::deserialize(head.freeze());
    publish.payload = it.payload.clone();
    publish
}

fn publish_properties(it: &PublishProperties) -> wire::PublishProperties {
    wire::PublishProperties {
        payload_format_indicator: it.payload_format_indicator,
        message_expiry_interval: it.message_expiry_interval,
        topic_alias: None,
        response_topic: it.response_topic.clone(),
        correlation_data: it.correlation_data.clone(),
        user_properties: it.user_properties.clone(),
        subscription_identifiers: it
            .subscription_identifiers
            .iter()
            .filter_map(|&identifier| usize::try_from(identifier).ok())
            .collect(),
        content_type: it.content_type.clone(),
    }
}

fn puback(it: &AckReply) -> wire::PubAck {
    wire::PubAck { pkid: it.pkid, reason: it.reason.to_puback() }
}

fn pubrec(it: &AckReply) -> wire::PubRec {
    wire::PubRec { pkid: it.pkid, reason: it.reason.to_pubrec() }
}

fn pubrel(it: &AckReply) -> wire::PubRel {
    wire::PubRel { pkid: it.pkid, reason: it.reason.to_pubrel() }
}

fn pubcomp(it: &AckReply) -> wire::PubComp {
    wire::PubComp { pkid: it.pkid, reason: it.reason.to_pubcomp() }
}

fn suback(it: &SubAck, version: Version) -> wire::SubAck {
    let return_codes = it.reasons.iter().map(|reason| reason.to_wire(version)).collect();
    wire::SubAck { pkid: it.pkid, return_codes }
}

fn unsuback(it: &UnsubAck) -> wire::UnsubAck {
    let reasons = it.reasons.iter().map(|reason| reason.to_wire()).collect();
    wire::UnsubAck { pkid: it.pkid, reasons }
}
