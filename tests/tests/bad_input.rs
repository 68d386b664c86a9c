//! Malformed and hostile input: each has a readable outcome, and the process lives on.

use std::io::Write as _;

use firsthop_tests::packet::{self, Packet, framed, text};
use firsthop_tests::*;
use serde_json::json;

struct House {
    pki: Pki,
    service: Service,
}

impl House {
    fn new() -> Self {
        let pki = Pki::new();
        let service = ServiceConfig::new(&pki).start();
        Self { pki, service }
    }

    fn dial(&self, version: Version) -> Dial {
        Dial::new(&self.service, &self.pki, &self.pki.device("dev-1")).version(version)
    }

    /// Another device is served.
    #[track_caller]
    fn lives(&self) {
        assert_eq!(
            Dial::new(&self.service, &self.pki, &self.pki.device("witness")).connect().register("{}")["status"],
            200
        );
    }
}

#[test]
fn malformed_packets_end_the_connection_and_nothing_else() {
    let house = House::new();
    let publish = |topic: &[u8]| {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic);
        framed(0x30, &body)
    };
    for version in Version::BOTH {
        let mut malformed = vec![
            // A remaining length of five bytes.
            vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
            // Reserved packet types and flags.
            framed(0x00, &[]),
            framed(0x81, &[0, 1, 0]),
            framed(0xc1, &[]),
            // QoS 3.
            framed(0x36, &[0, 1, b'a', 0, 1]),
            // A topic longer than its packet.
            framed(0x30, &[0xff, 0xff, b'a']),
            // Topics that may not be.
            publish(b"a\0b"),
            publish(b"\xff\xfe"),
            publish(b"devices/+/x"),
            publish(b"#"),
            // Packet id 0, no filter, QoS 3 in a filter.
            packet::subscribe(version, 0, &[("devices/dev-1/a", 0)]),
            packet::subscribe(version, 1, &[]),
            packet::subscribe(version, 1, &[("devices/dev-1/a", 3)]),
            // Only a server sends these.
            framed(0x20, &[0, 0]),
            framed(0x90, &[0, 1, 0]),
            framed(0xd0, &[]),
            // A second CONNECT.
            packet::connect(version, &house.dial(version).connect),
        ];
        if version == Version::V5 {
            // A property length beyond the packet, an unknown property, a property twice.
            malformed.push(framed(0x30, &[0, 1, b'a', 0xff, 0x7f]));
            malformed.push(framed(0x30, &[0, 1, b'a', 2, 0x7f, 0]));
            malformed.push(framed(0x30, &[0, 1, b'a', 4, 1, 0, 1, 0]));
            // A topic alias, which was not offered; a subscription identifier from a client; AUTH out of place.
            malformed.push(framed(0x30, &[0, 0, 3, 35, 0, 1]));
            malformed.push(framed(0x30, &[0, 1, b'a', 2, 11, 1]));
            malformed.push(framed(0xf0, &[0x18, 0]));
        } else {
            // AUTH is of MQTT 5.
            malformed.push(framed(0xf0, &[]));
        }
        for bytes in malformed {
            let mut client = house.dial(version).connect();
            client.send(&bytes);
            let last = client.until_end();
            match version {
                Version::V5 => {
                    assert!(matches!(last.as_slice(), [Packet::Disconnect { code: 0x80.., .. }]), "{bytes:x?} {last:?}")
                }
                Version::V311 => assert_eq!(last, [], "{bytes:x?}"),
            }
        }
        house.lives();
    }
}

#[test]
fn a_connection_that_does_not_begin_with_connect_ends() {
    let house = House::new();
    for bytes in [
        &packet::PINGREQ[..],
        &[0x30, 3, 0, 1, b'a'],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 2, 0, 4],
    ] {
        // Whose version is not known is answered in the older one.
        let mut client = house.dial(Version::V311).open();
        client.send(bytes);
        let answers = client.until_end();
        assert!(
            !answers.iter().any(|packet| matches!(packet, Packet::ConnAck { code: 0, .. })),
            "{bytes:x?} {answers:?}"
        );
    }
    house.lives();
}

#[test]
fn bytes_that_are_not_tls_end_the_connection() {
    let house = House::new();
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0],
        &[0x16, 3, 1, 0xff, 0xff],
        &[0; 512],
    ] {
        let mut socket = std::net::TcpStream::connect(house.service.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // An alert, a reset or nothing; but an end.
        let _ = std::io::Read::read_to_end(&mut socket, &mut rest);
        assert!(rest.len() < 16, "{rest:x?}");
    }
    house.lives();
}

#[test]
fn an_unknown_version_of_mqtt_is_told_so() {
    let house = House::new();
    for (name, level, answer) in [("MQTT", 6, 0x84), ("MQTT", 3, 1), ("MQIsdp", 3, 1), ("HTTP", 4, 1)] {
        let mut body = text(name);
        body.extend([level, 2, 0, 60]);
        if answer == 0x84 {
            body.push(0);
        }
        body.extend(text(""));
        let mut client = house.dial(if answer == 0x84 { Version::V5 } else { Version::V311 }).open();
        client.send(&framed(0x10, &body));
        match client.until_end().as_slice() {
            [] => {}
            [Packet::ConnAck { code, .. }] => assert!(*code == answer || *code >= 0x80, "{name} {level}: {code:x}"),
            other => panic!("{name} {level}: {other:?}"),
        }
    }
    house.lives();
}

#[test]
fn packets_may_come_byte_by_byte() {
    let house = House::new();
    for version in Version::BOTH {
        let dial = house.dial(version);
        let mut client = dial.open();
        let mut bytes = packet::connect(version, &dial.connect);
        bytes.extend(packet::subscribe(version, 1, &[(REGISTER_RESPONSE, 0)]));
        bytes.extend(packet::publish(version, &Message::new(REGISTER, r#"{"rid":"slow"}"#).id(2)));
        for byte in bytes {
            client.send(&[byte]);
        }
        assert!(matches!(client.next_packet(), Packet::ConnAck { code: 0, .. }));
        assert!(matches!(client.next_packet(), Packet::SubAck { id: 1, .. }));
        assert_eq!(client.next_packet(), Packet::PubAck { id: 2, code: 0 });
        assert_eq!(client.message().json()["rid"], "slow");
    }
}

#[test]
fn a_packet_cut_off_half_way_is_an_end_like_any_other() {
    let house = House::new();
    for version in Version::BOTH {
        let request = packet::publish(version, &Message::new(REGISTER, "{}"));
        for cut in 1..request.len() {
            let mut client = house.dial(version).connect();
            client.send(&request[..cut]);
            client.break_off();
        }
    }
    house.lives();
    assert_eq!(house.dial(Version::V5).connect().status("{}")["status"], 404, "no half request was carried out");
}

#[test]
fn packets_that_are_announced_too_large_end_the_connection_before_they_come() {
    let house = House::new();
    for version in Version::BOTH {
        let mut client = house.dial(version).connect();
        // 256 MiB, of which nothing is sent.
        client.send(&[0x32, 0xff, 0xff, 0xff, 0x7f]);
        let last = client.until_end();
        assert!(
            version == Version::V311 && last.is_empty()
                || matches!(last.as_slice(), [Packet::Disconnect { code: 0x95, .. }]),
            "{last:?}"
        );
    }
    let mut stranger = Dial::stranger(&house.service, &house.pki).connect();
    stranger.send(&packet::publish(Version::V5, &Message::new(REGISTER, vec![b' '; 20_000])));
    assert!(matches!(stranger.until_end().as_slice(), [Packet::Disconnect { code: 0x95, .. }]));
    house.lives();
}

#[test]
fn foreign_filters_in_the_reserved_trees_are_refused() {
    let house = House::new();
    for version in Version::BOTH {
        let mut client = house.dial(version).connect();
        for filter in [
            "$provisioning/#",
            "$provisioning/+",
            "$provisioning/+/accepted",
            "$provisioning/+/+",
            "$provisioning/register",
            "$provisioning/register/dev-2",
            "$provisioning/register/accepted/#",
            "$provisioning/events/#",
            "$dps/#",
            "$dps/registrations/res/#",
            "$iothub/#",
            "$iothub/twin/res/#",
            "$SYS/#",
            "$share/g/$provisioning/register/#",
            "$share/g/devices/dev-1/#",
            "$",
            "+/register/accepted",
            "#",
        ] {
            let [code] = client.subscribe(&[(filter, 1)])[..] else { panic!("one code for one filter") };
            match version {
                Version::V311 => assert_eq!(code, 0x80, "{filter}"),
                Version::V5 if filter.starts_with("$share") => assert_eq!(code, 0x9e, "{filter}"),
                Version::V5 => assert_eq!(code, 0x87, "{filter}"),
            }
        }
        // One refused filter does not spoil another of the same packet.
        let codes = client.subscribe(&[("$provisioning/#", 0), (REGISTER_RESPONSE, 2)]);
        assert_eq!((codes[0] >= 0x80, codes[1]), (true, 1));
    }
}

#[test]
fn foreign_publications_in_the_reserved_trees_are_refused() {
    let house = House::new();
    let topics = [
        "$provisioning/register/accepted",
        "$provisioning/register/response",
        "$provisioning/notify",
        "$provisioning/events/registered/x",
        "$provisioning/register/xml",
        "$dps/registrations/PUT/iotdps-register/",
        "$iothub/twin/GET/",
        "$SYS/broker/version",
        "$share/g/x",
    ];
    for topic in topics {
        let mut client = house.dial(Version::V5).connect();
        assert!(client.publish(&Message::new(topic, "{}")) >= 0x80, "{topic}");
        assert_eq!(client.register("{}")["status"], 200, "the connection lives on");
        // MQTT 3.1.1 has no way to refuse one publication.
        let mut client = house.dial(Version::V311).connect();
        client.send(&packet::publish(Version::V311, &Message::new(topic, "{}")));
        assert_eq!(client.until_end(), [], "{topic}");
    }
}

#[test]
fn nothing_is_retained_in_the_reserved_tree() {
    let house = House::new();
    let mut client = house.dial(Version::V5).connect();
    assert!(client.publish(&Message::new(REGISTER, "{}").retained()) >= 0x80);
    let mut client = house.dial(Version::V311).connect();
    client.send(&packet::publish(Version::V311, &Message::new(REGISTER, "{}").retained()));
    assert_eq!(client.until_end(), []);
    assert_eq!(house.dial(Version::V5).connect().status("{}")["status"], 404, "it was not carried out");
}

#[test]
fn a_will_in_the_reserved_tree_is_refused_at_connect() {
    let house = House::new();
    for topic in [REGISTER, REGISTER_RESPONSE, "$dps/registrations/PUT/iotdps-register/", "$SYS/x", "devices/dev-2/a"] {
        let (_, answer) = house.dial(Version::V5).will(Message::new(topic, "{}")).try_connect();
        assert!(matches!(answer, Some(Packet::ConnAck { code: 0x87, .. })), "{topic}: {answer:?}");
        let (_, answer) = house.dial(Version::V311).will(Message::new(topic, "{}")).try_connect();
        assert!(matches!(answer, Some(Packet::ConnAck { code: 5, .. })), "{topic}: {answer:?}");
    }
}

/// A JSON body of exactly that length.
fn body(length: usize) -> Vec<u8> {
    let frame = r#"{"payload":""}"#;
    format!(r#"{{"payload":"{}"}}"#, "x".repeat(length - frame.len())).into_bytes()
}

#[test]
fn a_body_of_16_kib_is_read_and_a_larger_one_refused_while_the_connection_lives() {
    let house = House::new();
    for version in Version::BOTH {
        let mut client = house.dial(version).connect();
        assert_eq!(client.register(body(16 * 1024))["status"], 200);
        for length in [16 * 1024 + 1, 200_000] {
            let answer = client.register(body(length));
            assert_eq!((&answer["errorCode"], &answer["action"]), (&json!(413_001), &json!("stop")), "{answer}");
        }
        assert_eq!(client.register("{}")["status"], 200);
    }
}

#[test]
fn ten_megabytes_of_json_end_the_connection() {
    let house = House::new();
    for version in Version::BOTH {
        let mut client = house.dial(version).connect();
        client.send(&packet::publish(version, &Message::new(REGISTER, body(10_000_000))));
        let last = client.until_end();
        assert!(last.is_empty() || matches!(last.as_slice(), [Packet::Disconnect { code: 0x95, .. }]), "{last:?}");
    }
    house.lives();
}

#[test]
fn a_packet_size_from_the_configuration_lets_larger_packets_come_as_far_as_their_refusal() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("packet_size", "\"16MiB\"").start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(client.register(body(10_000_000))["errorCode"], 413_001);
    assert_eq!(client.register("{}")["status"], 200);
}

#[test]
fn deep_nesting_is_refused_and_sixteen_levels_are_not() {
    let house = House::new();
    let mut client = house.dial(Version::V5).connect();
    let json_of = |depth: usize| format!(r#"{{"payload":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let cbor_of = |depth: usize| {
        let mut bytes = vec![0xa1, 0x67];
        bytes.extend(b"payload");
        bytes.extend(std::iter::repeat_n(0x81, depth));
        bytes.push(0);
        bytes
    };
    assert_eq!(client.register(json_of(15))["status"], 200);
    assert_eq!(client.ask(REGISTER, REGISTER_RESPONSE, cbor_of(15)).cbor()["status"], 200);
    for depth in [16, 127, 1_000, 8_000] {
        assert_eq!(client.register(json_of(depth))["errorCode"], 400_001, "{depth}");
    }
    for depth in [16, 127, 10_000] {
        assert_eq!(client.ask(REGISTER, REGISTER_RESPONSE, cbor_of(depth)).cbor()["errorCode"], 400_001, "{depth}");
    }
    let never_closed = format!(r#"{{"payload":{}"#, "[".repeat(10_000));
    assert_eq!(client.register(never_closed)["errorCode"], 400_001);
    house.lives();
}

#[test]
fn lengths_that_cbor_only_announces_cost_nothing() {
    let house = House::new();
    let mut client = house.dial(Version::V5).connect();
    let huge = [0x80, 0, 0, 0, 0, 0, 0, 0];
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![0xa1, 0x67];
        bytes.extend(b"payload");
        bytes.push(major);
        bytes.extend(huge);
        assert_eq!(client.ask(REGISTER, REGISTER_RESPONSE, &bytes).cbor()["errorCode"], 400_001, "{major:x}");
    }
    let mut map = vec![0xbb];
    map.extend(huge);
    let answer = client.ask(REGISTER, REGISTER_RESPONSE, &map);
    assert_eq!(answer.cbor()["errorCode"], 400_001);
    house.lives();
}
