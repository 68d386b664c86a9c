//! MQTT 5.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, Disconnect, DisconnectReasonCode, Filter, Packet, PingReq, PubAck, Publish,
    PublishProperties, Subscribe,
};

use super::{
    CONNACK, DISCONNECT, Frame, Incoming, MAX_PACKET, Outgoing, PINGRESP, PUBACK, PUBLISH, PacketError, SUBACK,
};

pub fn encode(packet: Outgoing<'_>, into: &mut BytesMut) {
    let packet = match packet {
        Outgoing::Connect { client_id, keep_alive } => {
            let properties = ConnectProperties { max_packet_size: Some(MAX_PACKET as u32), ..ConnectProperties::new() };
            let connect = Connect {
                keep_alive,
                client_id: client_id.to_owned(),
                clean_start: true,
                properties: Some(properties),
            };
            Packet::Connect(connect, None, None)
        }
        Outgoing::Subscribe { packet_id, filters } => {
            let filters = filters.iter().map(|filter| Filter::new(*filter, QoS::AtMostOnce));
            Packet::Subscribe(Subscribe { pkid: packet_id, ..Subscribe::new_many(filters, None) })
        }
        Outgoing::Publish { packet_id, topic, format, body } => {
            let properties = PublishProperties {
                content_type: Some(format.content_type().to_owned()),
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
            let (words, keep_alive) = properties.map_or((None, None), |it| (it.reason_string, it.server_keep_alive));
            Ok(Incoming::ConnAck { code, words, keep_alive })
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
        PINGRESP => Ok(Incoming::PingResp),
        DISCONNECT => {
            let code = frame.byte(0).unwrap_or_default();
            let words = match parse(frame, "DISCONNECT") {
                Ok(Packet::Disconnect(disconnect)) => disconnect.properties.and_then(|it| it.reason_string),
                // Without properties the reason stands alone.
                _ => None,
            };
            Ok(Incoming::Disconnect { code, words })
        }
        _ => Err(PacketError::Unexpected(kind)),
    }
}

fn parse(mut frame: Frame, name: &'static str) -> Result<Packet, PacketError> {
    Packet::read(&mut frame.bytes, Some(MAX_PACKET as u32))
        .map_err(|error| PacketError::Malformed(name, error.to_string()))
}
