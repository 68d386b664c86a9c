//! What must not pass, and what the peer is told.

use super::*;
use DecodeReason::{Malformed, ProtocolError, TopicAliasInvalid, TopicFilterInvalid, TopicNameInvalid};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

fn assert_refused(version: Version, text: &str, reason: DecodeReason) {
    let error = refused(version, &bytes(text));
    assert_eq!(error.reason, reason, "{version:?} {text}: {error}");
}

#[test]
fn packets_that_only_servers_send_are_refused_without_a_panic() {
    for version in BOTH {
        for text in [
            "20 01 00",
            "20 02 0000",
            "90 03 0001 00",
            "B0 02 0001",
            "B0 04 0001 00 00",
            "D0 00",
            "F0 00",
            "F0 02 18 00",
        ] {
            assert_refused(version, text, ProtocolError);
        }
        assert_refused(version, "00 00", Malformed);
    }
}

#[test]
fn a_frame_that_the_reader_would_swallow_is_malformed() {
    for text in ["30 02 0000", "40 04 0001 00 80", "82 02 0000", "E0 02 00 80", "10 0A 0004 'MQTT' 05 02 003C"] {
        let error = refused(Version::V5, &bytes(text));
        assert!(matches!(error.reason, Malformed), "{text}: {error}");
    }
}

#[test]
fn a_field_may_not_reach_beyond_its_packet_or_section() {
    for version in BOTH {
        for text in [
            "30 02 0003",
            "32 05 0003 'a/b'",
            "32 06 0003 'a/b' 00",
            "82 06 0001 0009 'a/'",
            "82 05 0001 0001 'a'",
            "40 01 00",
            "40 00",
            "82 00",
            "10 00",
            "10 01 00",
        ] {
            assert_refused(version, text, Malformed);
        }
    }
    // A section shorter and longer than what it holds.
    assert_refused(Version::V5, "30 0B 0003 'a/b' 04 01 01 'bod'", Malformed);
    assert_refused(Version::V5, "30 0B 0003 'a/b' 03 02 0000003C", Malformed);
    assert_refused(Version::V5, "30 06 0003 'a/b' 05", Malformed);
}

#[test]
fn nothing_may_follow_the_last_field() {
    assert_refused(Version::V311, "10 0D 0004 'MQTT' 04 02 003C 0000 00", Malformed);
    assert_refused(Version::V5, "10 0E 0004 'MQTT' 05 02 003C 00 0000 00", Malformed);
    assert_refused(Version::V5, "40 05 0001 00 00 00", Malformed);
    assert_refused(Version::V311, "E0 01 00", Malformed);
    assert_refused(Version::V5, "E0 03 00 00 00", Malformed);
    assert_refused(Version::V311, "C0 01 00", Malformed);
    assert_refused(Version::V5, "C0 01 00", Malformed);
}

#[test]
fn reserved_flag_bits_are_refused() {
    for version in BOTH {
        for first in [0x41, 0x52, 0x60, 0x63, 0x74, 0x80, 0x83, 0xA0, 0xA3, 0xC1, 0xE8] {
            let error = refused(version, &[first, 0]);
            assert_eq!(error.reason, Malformed, "{first:02X}");
        }
        let mut connect = connect_frame(version);
        connect[9] |= 1;
        assert_eq!(refused(version, &connect).reason, Malformed);
        let mut decoder = Decoder::new(64, 64);
        connect[0] = 0x11;
        assert!(decoder.decode(&mut BytesMut::from(&connect[..])).is_err());
    }
}

#[test]
fn qos_3_and_dup_at_qos_0_are_refused() {
    for version in BOTH {
        assert_refused(version, "36 08 0001 'a' 0001 00 00 00", Malformed);
        assert_refused(version, "38 04 0001 'a' 00", Malformed);
    }
    assert_refused(Version::V311, "82 06 0001 0001 'a' 03", Malformed);
    assert_refused(Version::V5, "82 07 0001 00 0001 'a' 03", Malformed);
    assert_refused(Version::V311, "82 06 0001 0001 'a' 04", Malformed);
    assert_refused(Version::V5, "82 07 0001 00 0001 'a' 40", Malformed);
    assert_refused(Version::V5, "82 07 0001 00 0001 'a' 30", ProtocolError);
    assert_refused(Version::V5, "82 10 0001 00 000A '$share/g/a' 04", ProtocolError);
}

#[test]
fn connect_flags_that_contradict_each_other_are_refused() {
    for (version, at, properties) in [(Version::V311, "04", ""), (Version::V5, "05", "00")] {
        let connect = |flags: &str, rest: &str| {
            frame(0x10, &bytes(&format!("0004 'MQTT' {at} {flags} 003C {properties} 0000 {rest}")))
        };
        for flags in ["0A", "12", "22", "1E"] {
            let input = connect(flags, "0001 'w' 0000");
            assert_eq!(refused(version, &input).reason, Malformed, "{flags}");
        }
    }
    let input = frame(0x10, &bytes("0004 'MQTT' 04 42 003C 0000 0001 'p'"));
    assert_eq!(refused(Version::V311, &input).detail, "a password without a user name");
}

#[test]
fn text_must_be_utf_8_without_nul_or_surrogates_wherever_it_stands() {
    for bad in ["00", "FF", "EDA080", "C080", "C3"] {
        let len = format!("{:04X}", bad.len() / 2);
        for version in BOTH {
            let (level, none) = match version {
                Version::V311 => ("04", ""),
                Version::V5 => ("05", "00"),
            };
            for (first, body) in [
                (0x30, format!("{len} {bad} {none}")),
                (0x82, format!("0001 {none} {len} {bad} 00")),
                (0xA2, format!("0001 {none} {len} {bad}")),
                (0x10, format!("0004 'MQTT' {level} 02 003C {none} {len} {bad}")),
                (0x10, format!("0004 'MQTT' {level} 06 003C {none} 0000 {none} {len} {bad} 0000")),
                (0x10, format!("0004 'MQTT' {level} 82 003C {none} 0000 {len} {bad}")),
            ] {
                let error = refused(version, &frame(first, &bytes(&body)));
                assert_eq!(error.reason, Malformed, "{body}: {error}");
            }
        }
        for property in [
            format!("03 {len} {bad}"),
            format!("08 {len} {bad}"),
            format!("26 {len} {bad} 0000"),
            format!("26 0000 {len} {bad}"),
        ] {
            let property = bytes(&property);
            let mut body = bytes("0001 'a'");
            body.push(property.len() as u8);
            body.extend(property);
            assert_eq!(refused(Version::V5, &frame(0x30, &body)).reason, Malformed);
        }
    }
}

#[test]
fn packet_id_0_is_refused_wherever_one_stands() {
    for text in ["32 06 0001 'a' 0000 00", "40 02 0000", "50 02 0000", "62 02 0000", "70 02 0000"] {
        for version in BOTH {
            assert_refused(version, text, Malformed);
        }
    }
    assert_refused(Version::V311, "82 06 0000 0001 'a' 00", Malformed);
    assert_refused(Version::V311, "A2 05 0000 0001 'a'", Malformed);
    assert_refused(Version::V5, "82 07 0000 00 0001 'a' 00", Malformed);
    assert_refused(Version::V5, "A2 06 0000 00 0001 'a'", Malformed);
}

#[test]
fn a_list_of_filters_is_not_empty() {
    for first in ["82", "A2"] {
        assert_refused(Version::V311, &format!("{first} 02 0001"), ProtocolError);
        assert_refused(Version::V5, &format!("{first} 03 0001 00"), ProtocolError);
    }
}

#[test]
fn topics_and_filters_must_be_what_they_say() {
    for topic in ["+", "a/#", "a+"] {
        let len = format!("{:04X}", topic.len());
        let body = bytes(&format!("{len} '{topic}' 00"));
        assert_eq!(refused(Version::V311, &frame(0x30, &body)).reason, TopicNameInvalid);
        assert_eq!(refused(Version::V5, &frame(0x30, &body)).reason, TopicNameInvalid);
        let will = bytes(&format!("0004 'MQTT' 04 06 003C 0000 {len} '{topic}' 0000"));
        assert_eq!(refused(Version::V311, &frame(0x10, &will)).reason, TopicNameInvalid);
    }
    assert_refused(Version::V311, "30 02 0000", TopicNameInvalid);
    assert_refused(Version::V5, "30 03 0000 00", TopicNameInvalid);
    for filter in ["a#", "#/a", "+a", "a/+b"] {
        let len = format!("{:04X}", filter.len());
        let subscribe = bytes(&format!("0001 {len} '{filter}' 00"));
        assert_eq!(refused(Version::V311, &frame(0x82, &subscribe)).reason, TopicFilterInvalid);
        let unsubscribe = bytes(&format!("0001 00 {len} '{filter}'"));
        assert_eq!(refused(Version::V5, &frame(0xA2, &unsubscribe)).reason, TopicFilterInvalid);
    }
}

#[test]
fn topic_aliases_are_refused_with_their_own_reason() {
    for text in ["30 07 0001 'a' 03 23 0001", "30 06 0000 03 23 0001"] {
        assert_refused(Version::V5, text, TopicAliasInvalid);
        assert_eq!(refused(Version::V5, &bytes(text)).disconnect_reason().code(), 0x94);
    }
}

#[test]
fn properties_must_fit_their_packet_and_stand_once() {
    for (text, reason) in [
        // Twice.
        ("30 08 0001 'a' 04 01 00 01 00", ProtocolError),
        ("10 17 0004 'MQTT' 05 02 003C 0A 11 00000001 11 00000002 0000", ProtocolError),
        ("82 0B 0001 04 0B 01 0B 02 0001 'a' 00", ProtocolError),
        // In a packet that does not have it, or not known at all.
        ("30 06 0001 'a' 02 17 00", Malformed),
        ("30 06 0001 'a' 02 7F 00", Malformed),
        ("30 06 0001 'a' 02 FF 00", Malformed),
        ("40 08 0001 00 04 1C 0001 'x'", Malformed),
        ("E0 06 00 04 1C 0001 'x'", Malformed),
        // Values that mean nothing.
        ("30 06 0001 'a' 02 01 02", ProtocolError),
        ("10 10 0004 'MQTT' 05 02 003C 03 21 0000 0000", ProtocolError),
        ("10 12 0004 'MQTT' 05 02 003C 05 27 00000000 0000", ProtocolError),
        ("10 0F 0004 'MQTT' 05 02 003C 02 17 02 0000", ProtocolError),
        ("10 10 0004 'MQTT' 05 02 003C 03 16 0000 0000", ProtocolError),
        ("82 09 0001 02 0B 00 0001 'a' 00", ProtocolError),
        ("30 08 0001 'a' 04 08 0001 '+'", ProtocolError),
        ("30 07 0001 'a' 03 08 0000", ProtocolError),
        // Only servers send it.
        ("30 06 0001 'a' 02 0B 01", ProtocolError),
        // Longer than it need be.
        ("30 05 0001 'a' 80 00", Malformed),
        ("82 0C 0001 05 0B FFFFFFFF 0001 'a' 00", Malformed),
    ] {
        assert_refused(Version::V5, text, reason);
    }
}

#[test]
fn reason_codes_that_a_client_has_not_are_refused() {
    assert_refused(Version::V5, "E0 01 8B", ProtocolError);
    assert_refused(Version::V5, "E0 01 01", ProtocolError);
    assert_refused(Version::V5, "40 03 0001 92", Malformed);
    assert_refused(Version::V5, "70 03 0001 80", Malformed);
}

#[test]
fn the_limit_is_judged_before_the_body_arrives() {
    for version in BOTH {
        let mut decoder = connected(version);
        let mut buf = BytesMut::from(&bytes("30 FF FF FF 7F")[..]);
        let error = decoder.decode(&mut buf).expect_err("too large");
        let announced = 268_435_455 + 5;
        assert_eq!(error.reason, DecodeReason::TooLarge { announced, limit: 4096 });
        assert_eq!(error.disconnect_reason(), DisconnectReason::PacketTooLarge);
        assert!(decoder.decode(&mut buf).is_err(), "an error is final");

        let exactly = frame(0x30, &[&bytes("0001 'a' 00")[..], &[b'x'; 4096 - 3 - 4]].concat());
        assert_eq!(exactly.len(), 4096);
        assert!(decode(version, &exactly).is_ok());
        let more = frame(0x30, &[&bytes("0001 'a' 00")[..], &[b'x'; 4096 - 3 - 3]].concat());
        assert!(matches!(refused(version, &more).reason, DecodeReason::TooLarge { .. }));
    }
}

#[test]
fn before_the_connect_the_smaller_limit_holds() {
    let mut decoder = Decoder::new(64, 4096);
    let error = decoder.decode(&mut BytesMut::from(&[0x10, 63][..])).expect_err("one byte too many");
    assert_eq!(error.reason, DecodeReason::TooLarge { announced: 65, limit: 64 });
    assert_eq!(error.connect_reason(), ConnectReason::PacketTooLarge);

    let mut decoder = Decoder::new(64, 4096);
    let mut buf = BytesMut::from(&connect_frame(Version::V5)[..]);
    decoder.decode(&mut buf).expect("a CONNECT").expect("complete");
    decoder.set_max_packet(16);
    let error = decoder.decode(&mut BytesMut::from(&[0x30, 15][..])).expect_err("over 16");
    assert_eq!(error.reason, DecodeReason::TooLarge { announced: 17, limit: 16 });
}

#[test]
fn a_remaining_length_has_at_most_four_bytes() {
    for version in BOTH {
        assert_refused(version, "30 80 80 80 80", Malformed);
        assert_refused(version, "30 80 80 80 80 01", Malformed);
    }
    // Padding is legal in 3.1.1 and forbidden in 5.
    assert!(decode(Version::V311, &bytes("C0 80 00")).is_ok());
    assert_refused(Version::V5, "C0 80 00", Malformed);
}

#[test]
fn the_first_packet_is_a_connect() {
    for first in [0x30, 0x82, 0xC0, 0xE0, b'G'] {
        let mut decoder = Decoder::new(64, 64);
        let error = decoder.decode(&mut BytesMut::from(&[first][..])).expect_err("not a CONNECT");
        assert_eq!(error.reason, ProtocolError);
        assert_eq!(decoder.version(), None);
    }
}

#[test]
fn other_protocols_get_an_answer_that_they_can_read() {
    for (text, answer_in) in [
        ("10 0E 0006 'MQIsdp' 03 02 003C 0000", Version::V311),
        ("10 0C 0004 'MQTT' 03 02 003C 0000", Version::V311),
        ("10 0C 0004 'MQTT' 84 02 003C 0000", Version::V311),
        ("10 0C 0004 'mqtt' 04 02 003C 0000", Version::V311),
        ("10 0D 0004 'MQTT' 06 02 003C 00 0000", Version::V5),
    ] {
        let error = refused(Version::V311, &bytes(text));
        assert_eq!(error.reason, DecodeReason::UnsupportedVersion { answer_in }, "{text}");
        let expected = if answer_in == Version::V5 { 0x84 } else { 1 };
        assert_eq!(error.connect_reason().code(answer_in), expected);
    }
}

#[test]
fn the_version_is_known_even_when_the_connect_is_refused() {
    let mut decoder = Decoder::new(64, 64);
    let mut buf = BytesMut::from(&bytes("10 0D 0004 'MQTT' 05 03 003C 00 0000")[..]);
    let error = decoder.decode(&mut buf).expect_err("the reserved flag is set");
    assert_eq!(decoder.version(), Some(Version::V5));
    assert_eq!(error.connect_reason(), ConnectReason::MalformedPacket);
    assert_eq!(error.to_string(), "malformed CONNECT: the reserved connect flag is set");
}
