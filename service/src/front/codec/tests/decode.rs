//! What clients send, byte by byte.

use ::bytes::Bytes;

use super::*;

fn publish_properties() -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(60),
        content_type: Some("text".into()),
        response_topic: Some("r/t".into()),
        correlation_data: Some(Bytes::from_static(&[0, 0xFF])),
        user_properties: vec![("k".into(), "v".into())],
        subscription_identifiers: Vec::new(),
    }
}

fn packets(version: Version) -> Vec<Packet> {
    valid_frames(version)
        .iter()
        .map(|frame| decode(version, frame).unwrap_or_else(|e| panic!("{frame:02X?}: {e}")))
        .collect()
}

fn filter(path: &str, qos: QoS) -> Filter {
    Filter {
        path: path.into(),
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::OnEverySubscribe,
    }
}

fn disconnect(reason: DisconnectReason) -> Packet {
    Packet::Disconnect(Disconnect { reason, session_expiry_interval: None, reason_string: None })
}

#[test]
fn every_packet_of_3_1_1_is_read() {
    let ack = Ack { pkid: 7, reason: AckReason::Success };
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        pkid: 0,
        topic: "a/b".into(),
        payload: Bytes::from_static(b"body"),
        properties: None,
    };
    let bare = Connect {
        version: Version::V311,
        client_id: String::new(),
        clean: true,
        keep_alive: 60,
        user_name: None,
        password: None,
        will: None,
        properties: None,
    };
    let full = Connect {
        client_id: "dev".into(),
        keep_alive: 0,
        user_name: Some("user".into()),
        password: Some(Bytes::from_static(&[0, 0xFF, 0x80, 0xFE])),
        will: Some(Will {
            topic: "w/t".into(),
            payload: Bytes::from_static(b"gone"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay_interval: 0,
            properties: None,
        }),
        ..bare.clone()
    };
    let expected = vec![
        Packet::Connect(Box::new(bare)),
        Packet::Connect(Box::new(full)),
        Packet::Publish(publish.clone()),
        Packet::Publish(Publish { dup: true, qos: QoS::AtLeastOnce, retain: true, pkid: 7, ..publish.clone() }),
        Packet::Publish(Publish { qos: QoS::ExactlyOnce, pkid: 0xFFFF, payload: Bytes::new(), ..publish }),
        Packet::PubAck(ack),
        Packet::PubRec(ack),
        Packet::PubRel(ack),
        Packet::PubComp(ack),
        Packet::Subscribe(Subscribe {
            pkid: 1,
            filters: vec![filter("a/#", QoS::AtLeastOnce), filter("+", QoS::ExactlyOnce)],
            identifier: None,
        }),
        Packet::Unsubscribe(Unsubscribe { pkid: 1, filters: vec!["a/#".into(), "+".into()] }),
        Packet::PingReq,
        disconnect(DisconnectReason::Normal),
    ];
    assert_eq!(packets(Version::V311), expected);
}

#[test]
fn every_packet_of_5_is_read() {
    let ack = |reason| Ack { pkid: 7, reason };
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        pkid: 0,
        topic: "a/b".into(),
        payload: Bytes::from_static(b"body"),
        properties: None,
    };
    let bare = Connect {
        version: Version::V5,
        client_id: String::new(),
        clean: true,
        keep_alive: 60,
        user_name: None,
        password: None,
        will: None,
        properties: Some(Box::default()),
    };
    let full = Connect {
        client_id: "dev".into(),
        keep_alive: 10,
        user_name: Some("user".into()),
        password: Some(Bytes::from_static(&[0, 0xFF, 0x80, 0xFE])),
        will: Some(Will {
            topic: "w/t".into(),
            payload: Bytes::from_static(b"gone"),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay_interval: 5,
            properties: Some(Box::new(PublishProperties { content_type: Some("t".into()), ..publish_properties() })),
        }),
        properties: Some(Box::new(ConnectProperties {
            session_expiry_interval: Some(60),
            receive_maximum: Some(20),
            max_packet_size: Some(4096),
            topic_alias_maximum: Some(5),
            request_problem_information: Some(false),
            request_response_information: Some(true),
            authentication_method: Some("m".into()),
            user_properties: vec![("k".into(), "v".into())],
        })),
        ..bare.clone()
    };
    let expected = vec![
        Packet::Connect(Box::new(bare)),
        Packet::Connect(Box::new(full)),
        Packet::Publish(publish.clone()),
        Packet::Publish(Publish {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: true,
            pkid: 7,
            properties: Some(Box::new(publish_properties())),
            ..publish.clone()
        }),
        Packet::Publish(Publish { qos: QoS::ExactlyOnce, pkid: 0xFFFF, payload: Bytes::new(), ..publish }),
        Packet::PubAck(ack(AckReason::Success)),
        Packet::PubAck(ack(AckReason::NoMatchingSubscribers)),
        Packet::PubAck(ack(AckReason::UnspecifiedError)),
        Packet::PubAck(ack(AckReason::UnspecifiedError)),
        Packet::PubRec(ack(AckReason::QuotaExceeded)),
        Packet::PubRel(ack(AckReason::Success)),
        Packet::PubRel(ack(AckReason::PacketIdentifierNotFound)),
        Packet::PubComp(ack(AckReason::PacketIdentifierNotFound)),
        Packet::Subscribe(Subscribe {
            pkid: 1,
            filters: vec![
                Filter {
                    no_local: true,
                    retain_as_published: true,
                    retain_handling: RetainHandling::Never,
                    ..filter("a/#", QoS::ExactlyOnce)
                },
                Filter { retain_handling: RetainHandling::OnNewSubscribe, ..filter("+", QoS::AtLeastOnce) },
            ],
            identifier: Some(7),
        }),
        Packet::Unsubscribe(Unsubscribe { pkid: 1, filters: vec!["a/#".into(), "+".into()] }),
        Packet::PingReq,
        disconnect(DisconnectReason::Normal),
        disconnect(DisconnectReason::WithWill),
        disconnect(DisconnectReason::WithWill),
        Packet::Disconnect(Disconnect {
            reason: DisconnectReason::Normal,
            session_expiry_interval: Some(10),
            reason_string: Some("done".into()),
        }),
    ];
    assert_eq!(packets(Version::V5), expected);
}

#[test]
fn a_packet_that_comes_byte_by_byte_is_read_when_its_last_byte_is_there() {
    for version in [Version::V311, Version::V5] {
        for frame in valid_frames(version) {
            let whole = decode(version, &frame).expect("a valid frame");
            let mut decoder = match frame[0] {
                0x10 => Decoder::new(4096, 4096),
                _ => connected(version),
            };
            let mut buf = BytesMut::new();
            for (at, byte) in frame.iter().enumerate() {
                buf.extend_from_slice(&[*byte]);
                let packet = decoder.decode(&mut buf).expect("no part of it is wrong");
                if at + 1 < frame.len() {
                    assert_eq!(packet, None, "{at} of {frame:02X?}");
                    assert_eq!(buf.len(), at + 1, "bytes of an incomplete packet stay");
                } else {
                    assert_eq!(packet, Some(whole.clone()));
                    assert!(buf.is_empty());
                }
            }
        }
    }
}

#[test]
fn packets_that_arrive_together_are_read_one_by_one() {
    for version in [Version::V311, Version::V5] {
        let frames = valid_frames(version);
        let mut decoder = connected(version);
        let mut buf = BytesMut::from(&frames.concat()[..]);
        let mut count = 0;
        while let Some(_packet) = decoder.decode(&mut buf).expect("valid frames") {
            count += 1;
        }
        assert_eq!(count, frames.len());
        assert!(buf.is_empty());
    }
}

#[test]
fn an_empty_user_name_is_told_from_none() {
    for (version, properties) in [(Version::V311, ""), (Version::V5, "00")] {
        let level = if version == Version::V5 { "05" } else { "04" };
        let body = bytes(&format!("0004 'MQTT' {level} C2 003C {properties} 0000 0000 0000"));
        let Ok(Packet::Connect(connect)) = decode(version, &frame(0x10, &body)) else {
            panic!("a CONNECT with empty credentials is legal");
        };
        assert_eq!(connect.user_name.as_deref(), Some(""));
        assert_eq!(connect.password.as_deref(), Some(&[][..]));
    }
}

#[test]
fn a_password_without_a_user_name_is_legal_in_5() {
    let frame = frame(0x10, &bytes("0004 'MQTT' 05 42 003C 00 0000 0002 'pw'"));
    let Ok(Packet::Connect(connect)) = decode(Version::V5, &frame) else { panic!("legal") };
    assert_eq!((connect.user_name, connect.password), (None, Some(Bytes::from_static(b"pw"))));
}

#[test]
fn a_long_connect_with_a_password_is_read() {
    // Above 127 bytes without the password, so that the rewritten length has two bytes.
    let id = "x".repeat(300);
    let body = [bytes("0004 'MQTT' 04 C2 003C 012C"), id.clone().into_bytes(), bytes("0001 'u' 0002 FFFE")];
    let Ok(Packet::Connect(connect)) = decode(Version::V311, &frame(0x10, &body.concat())) else { panic!("legal") };
    assert_eq!(connect.client_id, id);
    assert_eq!(connect.user_name.as_deref(), Some("u"));
    assert_eq!(connect.password.as_deref(), Some(&[0xFF, 0xFE][..]));
}

#[test]
fn an_acknowledgement_of_3_1_1_has_two_bytes() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        let error = refused(Version::V311, &frame(first, &[0, 7, 0]));
        assert_eq!(error.reason, DecodeReason::Malformed);
    }
}
