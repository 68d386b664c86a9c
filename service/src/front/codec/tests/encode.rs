//! What the server sends, byte by byte.

use ::bytes::Bytes;

use super::*;

fn encoded(reply: &Reply, version: Version) -> Vec<u8> {
    let mut out = BytesMut::from(&b"before"[..]);
    let len = encode(reply, version, &mut out).expect("a valid reply");
    assert_eq!(&out[..6], b"before", "earlier packets stay");
    assert_eq!(out.len(), 6 + len);
    out[6..].to_vec()
}

#[track_caller]
fn assert_bytes(reply: &Reply, v311: &str, v5: &str) {
    assert_eq!(encoded(reply, Version::V311), bytes(v311), "3.1.1 {reply:?}");
    assert_eq!(encoded(reply, Version::V5), bytes(v5), "5 {reply:?}");
}

fn explained(text: &str) -> Option<Box<Problem>> {
    Some(Box::new(Problem::because(text)))
}

#[test]
fn connack_says_each_version_its_code_and_5_its_properties() {
    let accepted =
        ConnAck { session_present: true, reason: ConnectReason::Success, properties: ConnAckProperties::default() };
    assert_bytes(&Reply::ConnAck(Box::new(accepted.clone())), "20 02 01 00", "20 03 01 00 00");

    let full = ConnAck {
        properties: ConnAckProperties {
            receive_maximum: Some(20),
            retain_available: Some(true),
            max_packet_size: Some(65536),
            assigned_client_id: Some("id".into()),
            wildcard_subscription_available: Some(true),
            subscription_identifiers_available: Some(true),
            shared_subscription_available: Some(false),
            server_keep_alive: Some(60),
            ..ConnAckProperties::default()
        },
        ..accepted
    };
    assert_bytes(
        &Reply::ConnAck(Box::new(full)),
        "20 02 01 00",
        "20 1B 01 00 18 21 0014 25 01 27 00010000 12 0002 'id' 28 01 29 01 2A 00 13 003C",
    );

    let refused = ConnAck::refused(ConnectReason::NotAuthorized, "no");
    assert_bytes(&Reply::ConnAck(Box::new(refused)), "20 02 00 05", "20 08 00 87 05 1F 0002 'no'");
}

#[test]
fn a_refusing_connack_never_claims_a_session() {
    let reply = Reply::ConnAck(Box::new(ConnAck {
        session_present: true,
        reason: ConnectReason::ServerMoved,
        properties: ConnAckProperties { server_reference: Some("hub".into()), ..ConnAckProperties::default() },
    }));
    assert_bytes(&reply, "20 02 00 05", "20 09 00 9D 06 1C 0003 'hub'");
}

#[test]
fn every_connect_reason_has_a_code_in_both_versions() {
    use ConnectReason::*;
    for (reason, v311, v5) in [
        (Success, 0, 0x00),
        (UnspecifiedError, 3, 0x80),
        (MalformedPacket, 5, 0x81),
        (ProtocolError, 5, 0x82),
        (ImplementationSpecificError, 3, 0x83),
        (UnsupportedProtocolVersion, 1, 0x84),
        (ClientIdentifierNotValid, 2, 0x85),
        (BadUserNameOrPassword, 4, 0x86),
        (NotAuthorized, 5, 0x87),
        (ServerUnavailable, 3, 0x88),
        (ServerBusy, 3, 0x89),
        (Banned, 5, 0x8A),
        (BadAuthenticationMethod, 5, 0x8C),
        (TopicNameInvalid, 5, 0x90),
        (PacketTooLarge, 5, 0x95),
        (QuotaExceeded, 3, 0x97),
        (PayloadFormatInvalid, 5, 0x99),
        (RetainNotSupported, 5, 0x9A),
        (QoSNotSupported, 5, 0x9B),
        (UseAnotherServer, 3, 0x9C),
        (ServerMoved, 5, 0x9D),
        (ConnectionRateExceeded, 3, 0x9F),
    ] {
        assert_eq!((reason.code(Version::V311), reason.code(Version::V5)), (v311, v5));
        let reply = Reply::ConnAck(Box::new(ConnAck {
            session_present: false,
            reason,
            properties: ConnAckProperties::default(),
        }));
        assert_eq!(encoded(&reply, Version::V311), [0x20, 2, 0, v311]);
        assert_eq!(encoded(&reply, Version::V5), [0x20, 3, 0, v5, 0]);
    }
}

#[test]
fn publish_carries_its_properties_to_5_and_drops_them_for_3_1_1() {
    let publish = Publish {
        dup: true,
        qos: QoS::AtLeastOnce,
        retain: true,
        pkid: 7,
        topic: "é/x".into(),
        payload: Bytes::from_static(b"body"),
        properties: Some(Box::new(PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: Some(60),
            content_type: Some("text".into()),
            response_topic: Some("r/t".into()),
            correlation_data: Some(Bytes::from_static(&[0, 0xFF])),
            user_properties: vec![("k".into(), "v".into())],
            subscription_identifiers: vec![1, 300],
        })),
    };
    assert_bytes(
        &Reply::Publish(publish.clone()),
        "3B 0C 0004 'é/x' 0007 'body'",
        "3B 32 0004 'é/x' 0007 \
         25 01 01 02 0000003C 08 0003 'r/t' 09 0002 00FF 26 0001 'k' 0001 'v' 0B 01 0B AC02 03 0004 'text' \
         'body'",
    );
    let plain = Publish { qos: QoS::AtMostOnce, pkid: 0, properties: None, retain: false, ..publish };
    // DUP means nothing at QoS 0 and is not sent.
    assert_bytes(&Reply::Publish(plain), "30 0A 0004 'é/x' 'body'", "30 0B 0004 'é/x' 00 'body'");
}

#[test]
fn acknowledgements_say_their_reason_in_5_only() {
    let success = AckReply::success(7);
    assert_bytes(&Reply::PubAck(success.clone()), "40 02 0007", "40 02 0007");
    assert_bytes(&Reply::PubRec(success.clone()), "50 02 0007", "50 02 0007");
    assert_bytes(&Reply::PubRel(success.clone()), "62 02 0007", "62 02 0007");
    assert_bytes(&Reply::PubComp(success), "70 02 0007", "70 02 0007");

    let nobody = AckReply { pkid: 7, reason: AckReason::NoMatchingSubscribers, problem: None };
    assert_bytes(&Reply::PubAck(nobody.clone()), "40 02 0007", "40 04 0007 10 00");
    assert_bytes(&Reply::PubRec(nobody), "50 02 0007", "50 04 0007 10 00");

    let quota = AckReply { pkid: 7, reason: AckReason::QuotaExceeded, problem: explained("slow") };
    assert_bytes(&Reply::PubAck(quota.clone()), "40 02 0007", "40 0B 0007 97 07 1F 0004 'slow'");
    assert_bytes(&Reply::PubRec(quota), "50 02 0007", "50 0B 0007 97 07 1F 0004 'slow'");

    let unknown = AckReply { pkid: 7, reason: AckReason::PacketIdentifierNotFound, problem: None };
    assert_bytes(&Reply::PubRel(unknown.clone()), "62 02 0007", "62 04 0007 92 00");
    assert_bytes(&Reply::PubComp(unknown), "70 02 0007", "70 04 0007 92 00");
}

#[test]
fn suback_and_unsuback_answer_each_filter() {
    let suback = SubAck {
        pkid: 1,
        reasons: vec![
            SubscribeReason::Granted(QoS::AtMostOnce),
            SubscribeReason::Granted(QoS::ExactlyOnce),
            SubscribeReason::NotAuthorized,
            SubscribeReason::QuotaExceeded,
            SubscribeReason::SharedSubscriptionsNotSupported,
        ],
        problem: None,
    };
    assert_bytes(&Reply::SubAck(suback), "90 07 0001 00 02 80 80 80", "90 08 0001 00 00 02 87 97 9E");
    let unsuback = UnsubAck {
        pkid: 1,
        reasons: vec![UnsubscribeReason::Success, UnsubscribeReason::NoSubscriptionExisted],
        problem: explained("x"),
    };
    assert_bytes(&Reply::UnsubAck(unsuback), "B0 02 0001", "B0 09 0001 04 1F 0001 'x' 00 11");
}

#[test]
fn pingresp_is_the_same_everywhere() {
    assert_bytes(&Reply::PingResp, "D0 00", "D0 00");
}

#[test]
fn disconnect_has_a_right_length_with_and_without_properties() {
    let bare = |reason| DisconnectReply { reason, server_reference: None, problem: None };
    assert_bytes(&Reply::Disconnect(bare(DisconnectReason::Normal)), "", "E0 00");
    assert_bytes(&Reply::Disconnect(bare(DisconnectReason::SessionTakenOver)), "", "E0 02 8E 00");
    let moved = DisconnectReply {
        reason: DisconnectReason::ServerMoved,
        server_reference: Some("hub:8884".into()),
        problem: explained("moved"),
    };
    assert_bytes(&Reply::Disconnect(moved), "", "E0 15 9D 13 1F 0005 'moved' 1C 0008 'hub:8884'");
}

#[test]
fn a_client_without_wish_for_problems_is_told_them_only_where_it_must_be() {
    let mut connect = Connect {
        version: Version::V5,
        client_id: "c".into(),
        clean: true,
        keep_alive: 0,
        user_name: None,
        password: None,
        will: None,
        properties: Some(Box::new(ConnectProperties {
            request_problem_information: Some(false),
            ..ConnectProperties::default()
        })),
    };
    let ack = Reply::PubAck(AckReply { pkid: 7, reason: AckReason::NotAuthorized, problem: explained("no") });
    let disconnect = Reply::Disconnect(DisconnectReply::because(DisconnectReason::QuotaExceeded, "no"));
    let write = |connect: &Connect, reply: &Reply| {
        let mut out = BytesMut::new();
        Encoder::for_client(connect).encode(reply, &mut out).map(|_| out.to_vec())
    };
    assert_eq!(write(&connect, &ack), Ok(bytes("40 04 0007 87 00")));
    assert_eq!(write(&connect, &disconnect), Ok(bytes("E0 07 97 05 1F 0002 'no'")));
    connect.properties = Some(Box::default());
    assert_eq!(write(&connect, &ack), Ok(bytes("40 09 0007 87 05 1F 0002 'no'")));
    connect.properties = Some(Box::new(ConnectProperties { max_packet_size: Some(8), ..Default::default() }));
    assert_eq!(write(&connect, &ack), Ok(bytes("40 04 0007 87 00")), "the explanation gives way");
    assert_eq!(write(&connect, &disconnect), Ok(bytes("E0 02 97 00")));
}

#[test]
fn a_message_above_the_clients_maximum_is_not_written() {
    let connect = Connect {
        version: Version::V5,
        client_id: "c".into(),
        clean: true,
        keep_alive: 0,
        user_name: None,
        password: None,
        will: None,
        properties: Some(Box::new(ConnectProperties { max_packet_size: Some(16), ..ConnectProperties::default() })),
    };
    let encoder = Encoder::for_client(&connect);
    let publish =
        |len: usize| Reply::Publish(Publish { topic: "t".into(), payload: vec![0; len].into(), ..Publish::default() });
    let mut out = BytesMut::from(&b"x"[..]);
    assert_eq!(encoder.encode(&publish(10), &mut out), Ok(16));
    let error = EncodeError::TooLarge { packet: "PUBLISH", size: 17, limit: 16 };
    assert_eq!(encoder.encode(&publish(11), &mut out), Err(error));
    assert_eq!(out.len(), 17, "nothing of the second was written");
}

#[test]
fn what_the_writers_would_cut_or_leave_half_written_is_an_error() {
    let long = "x".repeat(65_536);
    let publish = Publish { topic: "t".into(), ..Publish::default() };
    let with = |properties| Reply::Publish(Publish { properties: Some(Box::new(properties)), ..publish.clone() });
    let none = PublishProperties::default;
    for reply in [
        Reply::Publish(Publish { topic: long.clone(), ..publish.clone() }),
        Reply::Publish(Publish { qos: QoS::AtLeastOnce, ..publish.clone() }),
        with(PublishProperties { content_type: Some(long.clone()), ..none() }),
        with(PublishProperties { response_topic: Some(long.clone()), ..none() }),
        with(PublishProperties { correlation_data: Some(vec![0; 65_536].into()), ..none() }),
        with(PublishProperties { user_properties: vec![(long.clone(), String::new())], ..none() }),
        Reply::PubAck(AckReply::success(0)),
        Reply::SubAck(SubAck { pkid: 1, reasons: Vec::new(), problem: None }),
        Reply::UnsubAck(UnsubAck { pkid: 0, reasons: Vec::new(), problem: None }),
        Reply::Disconnect(DisconnectReply::because(DisconnectReason::Normal, long)),
    ] {
        let mut out = BytesMut::new();
        assert!(encode(&reply, Version::V5, &mut out).is_err(), "{}", reply.name());
        assert!(out.is_empty());
    }
}
