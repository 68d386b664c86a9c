//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Login, Packet, PubAck, Publish, Subscribe, SubscribeFilter, Unsubscribe};

use super::{
    CONNACK, Frame, Granted, Incoming, MAX_PACKET, Outgoing, PINGRESP, PUBACK, PUBLISH, PacketError, SUBACK, UNSUBACK,
};

pub fn encode(packet: Outgoing<'_>, into: &mut BytesMut) {
    let packet = match packet {
        Outgoing::Connect { client_id, user_name, keep_alive } => {
            let login = user_name.map(|name| Login::new(name, ""));
            Packet::Connect(Connect { keep_alive, clean_session: true, login, ..Connect::new(client_id) })
        }
        Outgoing::Subscribe { packet_id, filters, qos } => {
            let qos = match qos {
                Granted::AtMostOnce => QoS::AtMostOnce,
                Granted::AtLeastOnce => QoS::AtLeastOnce,
            };
            let filters = filters.iter().map(|filter| SubscribeFilter::new((*filter).to_owned(), qos));
            Packet::Subscribe(Subscribe { pkid: packet_id, ..Subscribe::new_many(filters) })
        }
        Outgoing::Unsubscribe { packet_id, filters } => {
            let topics = filters.iter().map(|filter| (*filter).to_owned()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid: packet_id, topics })
        }
        Outgoing::Publish { packet_id, topic, body, .. } => {
            Packet::Publish(Publish { pkid: packet_id, ..Publish::from_bytes(topic, QoS::AtLeastOnce, body.clone()) })
        }
        Outgoing::PubAck { packet_id } => Packet::PubAck(PubAck::new(packet_id)),
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect,
    };
    packet.write(into, usize::MAX).expect("packet ids are not zero and sizes are bounded by the caller");
}

pub fn decode(kind: u8, frame: Frame) -> Result<Incoming, PacketError> {
    match kind {
        CONNACK => match (frame.bytes.len() - frame.header, frame.byte(1)) {
            (2, Some(code)) => {
                let (words, keep_alive, max_packet, receive_max, instead) = (None, None, None, None, None);
                Ok(Incoming::ConnAck { code, words, keep_alive, max_packet, receive_max, instead })
            }
            (length, _) => Err(PacketError::Malformed("CONNACK", format!("{length} bytes"))),
        },
        PUBLISH => match parse(frame, "PUBLISH")? {
            Packet::Publish(Publish { qos: QoS::ExactlyOnce, .. }) => Err(PacketError::QoS2),
            Packet::Publish(Publish { topic, qos, pkid, payload, .. }) => {
                Ok(Incoming::Publish { topic, packet_id: (qos == QoS::AtLeastOnce).then_some(pkid), body: payload })
            }
            _ => Err(PacketError::Unexpected(kind)),
        },
        PUBACK => match parse(frame, "PUBACK")? {
            Packet::PubAck(ack) => Ok(Incoming::PubAck { packet_id: ack.pkid, code: 0, words: None }),
            _ => Err(PacketError::Unexpected(kind)),
        },
        SUBACK => {
            let codes = frame.bytes.get(frame.header + 2..).unwrap_or_default().to_vec();
            match parse(frame, "SUBACK")? {
                Packet::SubAck(ack) => Ok(Incoming::SubAck { packet_id: ack.pkid, codes, words: None }),
                _ => Err(PacketError::Unexpected(kind)),
            }
        }
        UNSUBACK => match parse(frame, "UNSUBACK")? {
            Packet::UnsubAck(ack) => Ok(Incoming::UnsubAck { packet_id: ack.pkid }),
            _ => Err(PacketError::Unexpected(kind)),
        },
        PINGRESP => Ok(Incoming::PingResp),
        _ => Err(PacketError::Unexpected(kind)),
    }
}

fn parse(mut frame: Frame, name: &'static str) -> Result<Packet, PacketError> {
    Packet::read(&mut frame.bytes, MAX_PACKET).map_err(|error| PacketError::Malformed(name, error.to_string()))
}
