//! Bytes that nobody chose: nothing panics, grows, or stands still.

use ::bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V311), Just(Version::V5)]
}

/// Decodes until an error, the end, or a packet that takes nothing off the buffer.
fn drain(mut decoder: Decoder, input: &[u8]) {
    let mut buf = BytesMut::from(input);
    loop {
        let before = buf.len();
        match decoder.decode(&mut buf) {
            Ok(Some(packet)) => {
                assert!(buf.len() < before, "{packet:?} took nothing");
                answerable(&packet);
            }
            Ok(None) => {
                assert_eq!(buf.len(), before, "an incomplete packet stays");
                break;
            }
            Err(error) => {
                assert_eq!(decoder.decode(&mut buf), Err(error), "an error is final");
                break;
            }
        }
    }
    assert!(buf.len() <= input.len());
}

/// What the guard promises, and that whatever comes in can go out to either version.
fn answerable(packet: &Packet) {
    if let Packet::Publish(publish) = packet {
        assert_eq!(text::topic_name(&publish.topic), Ok(()));
        assert_eq!(publish.pkid == 0, publish.qos == QoS::AtMostOnce);
        let reply = Reply::Publish(publish.clone());
        for version in [Version::V311, Version::V5] {
            encode(&reply, version, &mut BytesMut::new()).expect("what came in fits");
        }
    }
    if let Packet::Subscribe(subscribe) = packet {
        assert!(!subscribe.filters.is_empty() && subscribe.pkid != 0);
        assert!(subscribe.filters.iter().all(|it| text::topic_filter(&it.path).is_ok()));
    }
}

/// A valid frame with some bytes changed, inserted or removed.
fn mutated() -> impl Strategy<Value = (Version, Vec<u8>)> {
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    (version(), any::<Index>(), vec(change, 1..4)).prop_map(|(version, which, changes)| {
        let frames = valid_frames(version);
        let mut frame = which.get(&frames).clone();
        for (at, byte, how) in changes {
            if frame.is_empty() {
                break;
            }
            let at = at.index(frame.len());
            match how {
                0 => frame[at] = byte,
                1 => frame[at] = frame[at].wrapping_add(1),
                2 => frame.insert(at, byte),
                _ => drop(frame.remove(at)),
            }
        }
        (version, frame)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(version in version(), input in vec(any::<u8>(), 0..128)) {
        drain(Decoder::new(1024, 1024), &input);
        drain(connected(version), &input);
    }

    #[test]
    fn an_arbitrary_body_behind_a_right_header_never_panics(
        version in version(),
        first in prop::sample::select(vec![0x10, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xC0, 0xE0]),
        body in vec(prop_oneof![0..8_u8, any::<u8>()], 0..64),
    ) {
        drain(connected(version), &frame(first, &body));
    }

    #[test]
    fn a_mutated_packet_never_panics((version, input) in mutated()) {
        drain(Decoder::new(1024, 1024), &input);
        drain(connected(version), &input);
    }

    #[test]
    fn a_truncated_packet_waits_for_the_rest(version in version(), which in any::<Index>(), at in any::<Index>()) {
        let frames = valid_frames(version);
        let frame = which.get(&frames);
        let at = at.index(frame.len());
        let mut decoder = if frame[0] == 0x10 { Decoder::new(1024, 1024) } else { connected(version) };
        let mut buf = BytesMut::from(&frame[..at]);
        prop_assert_eq!(decoder.decode(&mut buf), Ok(None));
        buf.extend_from_slice(&frame[at..]);
        prop_assert_eq!(decoder.decode(&mut buf).map(|it| it.is_some()), Ok(true));
    }

    #[test]
    fn a_message_comes_back_as_it_was_sent(
        version in version(),
        qos in 0..3_u8,
        pkid in 1..=u16::MAX,
        retain: bool,
        dup: bool,
        topic in "[^\u{0}+#]{1,40}",
        payload in vec(any::<u8>(), 0..300),
        content_type in prop::option::of("[^\u{0}]{0,20}"),
        correlation in prop::option::of(vec(any::<u8>(), 0..20)),
        expiry: Option<u32>,
        user in vec(("[^\u{0}]{0,9}", "[^\u{0}]{0,9}"), 0..3),
    ) {
        let qos = QoS::from_bits(qos).expect("0 to 2");
        let sent = Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            pkid: if qos == QoS::AtMostOnce { 0 } else { pkid },
            topic,
            payload: payload.into(),
            properties: Some(Box::new(PublishProperties {
                message_expiry_interval: expiry,
                content_type,
                correlation_data: correlation.map(Bytes::from),
                user_properties: user,
                ..PublishProperties::default()
            })),
        };
        let mut out = BytesMut::new();
        encode(&Reply::Publish(sent.clone()), version, &mut out).expect("it fits");
        let mut decoder = connected(version);
        let Ok(Some(Packet::Publish(mut got))) = decoder.decode(&mut out) else {
            return Err(TestCaseError::fail("no PUBLISH came back"));
        };
        let mut expected = sent;
        // Properties without content are none, and 3.1.1 has none.
        if version == Version::V311 || expected.properties.as_deref() == Some(&PublishProperties::default()) {
            expected.properties = None;
        }
        if got.properties.as_deref() == Some(&PublishProperties::default()) {
            got.properties = None;
        }
        prop_assert_eq!(got, expected);
        prop_assert!(out.is_empty());
    }
}
