//! MQTT 5.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, Disconnect, DisconnectReasonCode, Filter, Login, Packet, PingReq, PubAck, Publish,
    PublishProperties, Subscribe, Unsubscribe,
};

use super::{
    CONNACK, DISCONNECT, Frame, Granted, Incoming, MAX_PACKET, Outgoing, PINGRESP, PUBACK, PUBLISH, PacketError,
    RECEIVE_MAX, SUBACK, UNSUBACK,
};

pub fn encode(packet: Outgoing<'_>, into: &mut BytesMut) {
    let packet = match packet {
        Outgoing::Connect { client_id, user_name, keep_alive } => {
            let properties = ConnectProperties {
                receive_maximum: Some(RECEIVE_MAX),
                max_packet_size: Some(MAX_PACKET as u32),
                ..ConnectProperties::new()
            };
            let connect = Connect {
                keep_alive,
                client_id: client_id.to_owned(),
                clean_start: true,
                properties: Some(properties),
            };
            Packet::Connect(connect, None, user_name.map(|name| Login::new(name, "")))
        }
        Outgoing::Subscribe { packet_id, filters, qos } => {
            let qos = match qos {
                Granted::AtMostOnce => QoS::AtMostOnce,
                Granted::AtLeastOnce => QoS::AtLeastOnce,
            };
            let filters = filters.iter().map(|filter| Filter::new(*filter, qos));
            Packet::Subscribe(Subscribe { pkid: packet_id, ..Subscribe::new_many(filters, None) })
        }
        Outgoing::Unsubscribe { packet_id, filters } => {
            let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid: packet_id, filters, properties: None })
        }
        Outgoing::Publish { packet_id, topic, format, body } => {
            let properties = PublishProperties {
                content_type: format.map(|format| format.content_type().to_owned()),
                ..PublishProperties::default()
            };
            Packet::Publish(Publish {
                pkid: packet_id,
                ..Publish::new(topic, QoS::AtLeastOnce, body.clone(), Some(properties))
            })
        }
        Outgoing::PubAck { packet_id } => Packet::PubAck(PubAck::new(packet_id, None)),
        Outgoing::PingReq => Packet::PingReq(PingReq),
        Outgoing::Disconnect => Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection)),
    };
    packet.write(into, None).expect("packet ids are not zero and sizes are bounded by the caller");
}

pub fn decode(kind: u8, frame: Frame) -> Result<Incoming, PacketError> {
    match kind {
        CONNACK => {
            let Some(code) = frame.byte(1) else {
                return Err(PacketError::Malformed("CONNACK", "no reason code".into()));
            };
            let properties = match (parse(frame, "CONNACK"), code) {
                (Ok(Packet::ConnAck(ack)), _) => ack.properties,
                (Err(error), 0) => return Err(error),
                // Refused: the code says enough, and servers that do not speak MQTT 5 send no properties.
                _ => None,
            };
            let (words, keep_alive, max_packet, receive_max, instead) = match properties {
                Some(it) => {
                    (it.reason_string, it.server_keep_alive, it.max_packet_size, it.receive_max, it.server_reference)
                }
                None => (None, None, None, None, None),
            };
            Ok(Incoming::ConnAck { code, words, keep_alive, max_packet, receive_max, instead })
        }
        PUBLISH => match parse(frame, "PUBLISH")? {
            Packet::Publish(Publish { qos: QoS::ExactlyOnce, .. }) => Err(PacketError::QoS2),
            Packet::Publish(Publish { topic, qos, pkid, payload, .. }) => match String::from_utf8(topic.into()) {
                Ok(topic) => {
                    Ok(Incoming::Publish { topic, packet_id: (qos == QoS::AtLeastOnce).then_some(pkid), body: payload })
                }
                Err(_) => Err(PacketError::Malformed("PUBLISH", "the topic is not UTF-8".into())),
            },
            _ => Err(PacketError::Unexpected(kind)),
        },
        PUBACK => {
            let code = frame.byte(2).unwrap_or_default();
            match parse(frame, "PUBACK")? {
                Packet::PubAck(ack) => Ok(Incoming::PubAck {
                    packet_id: ack.pkid,
                    code,
                    words: ack.properties.and_then(|it| it.reason_string),
                }),
                _ => Err(PacketError::Unexpected(kind)),
            }
        }
        SUBACK => {
            let whole = frame.bytes.clone();
            match parse(frame, "SUBACK")? {
                Packet::SubAck(ack) => {
                    // The codes are the last bytes of the packet.
                    let codes = whole
                        .len()
                        .checked_sub(ack.return_codes.len())
                        .and_then(|from| whole.get(from..))
                        .unwrap_or_default();
                    let words = ack.properties.and_then(|it| it.reason_string);
                    Ok(Incoming::SubAck { packet_id: ack.pkid, codes: codes.to_vec(), words })
                }
                _ => Err(PacketError::Unexpected(kind)),
            }
        }
        UNSUBACK => match frame.bytes.get(frame.header..frame.header + 2) {
            // Its codes say nothing that matters: either way nothing is sent there any more.
            Some(&[high, low]) => Ok(Incoming::UnsubAck { packet_id: u16::from_be_bytes([high, low]) }),
            _ => Err(PacketError::Malformed("UNSUBACK", "no packet id".into())),
        },
        PINGRESP => Ok(Incoming::PingResp),
        DISCONNECT => {
            let code = frame.byte(0).unwrap_or_default();
            let (words, instead) = match parse(frame, "DISCONNECT") {
                Ok(Packet::Disconnect(Disconnect { properties: Some(it), .. })) => {
                    (it.reason_string, it.server_reference)
                }
                // Without properties the reason stands alone.
                _ => (None, None),
            };
            Ok(Incoming::Disconnect { code, words, instead })
        }
        _ => Err(PacketError::Unexpected(kind)),
    }
}

fn parse(mut frame: Frame, name: &'static str) -> Result<Packet, PacketError> {
    Packet::read(&mut frame.bytes, Some(MAX_PACKET as u32))
        .map_err(|error| PacketError::Malformed(name, error.to_string()))
}
