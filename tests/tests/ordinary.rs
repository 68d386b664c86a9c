//! Ordinary publish and subscribe, under the access list.

use firsthop_tests::packet::property::{CONTENT_TYPE, CORRELATION_DATA, RESPONSE_TOPIC};
use firsthop_tests::packet::{self, Packet, Property};
use firsthop_tests::*;

struct House {
    pki: Pki,
    service: Service,
}

impl House {
    fn new() -> Self {
        let pki = Pki::new();
        let topics =
            r#"topics = { publish = ["sites/+/alarms", "up/{registrationId}"], subscribe = ["sites/#", "é/+"] }"#;
        let service =
            ServiceConfig::without_entries(&pki).hub("only", "").group("factory", &pki.factory, topics).start();
        let house = Self { pki, service };
        // Ordinary topics are for registered devices.
        for id in ["dev-1", "dev-2", "dev-9", "dev-10"] {
            assert_eq!(house.dial(id).connect().register("{}")["status"], 200);
        }
        house
    }

    fn dial(&self, id: &str) -> Dial {
        Dial::new(&self.service, &self.pki, &self.pki.device(id))
    }
}

#[test]
fn a_device_publishes_and_subscribes_below_its_own_id_at_every_quality_of_service() {
    let house = House::new();
    let device = house.pki.device("dev-1");
    for version in Version::BOTH {
        let dial = |label: &str| Dial::new(&house.service, &house.pki, &device).version(version).client_id(label);
        let (mut sender, mut receiver) = (dial("dev-1/a").connect(), dial("dev-1/b").connect());
        for qos in [0, 1, 2] {
            let topic = format!("devices/dev-1/q{qos}");
            assert_eq!(receiver.subscribe(&[(&topic, qos)]), [qos]);
            let message = Message::new(&topic, format!("at {qos}")).qos(qos).id(9);
            sender.send(&packet::publish(version, &message));
            match qos {
                1 => assert_eq!(sender.next_packet(), Packet::PubAck { id: 9, code: 0 }),
                2 => {
                    assert_eq!(sender.next_packet(), Packet::PubRec { id: 9, code: 0 });
                    sender.send(&packet::pubrel(9));
                    assert_eq!(sender.next_packet(), Packet::PubComp { id: 9, code: 0 });
                }
                _ => {}
            }
            let got = receiver.message();
            assert_eq!(
                (got.topic.as_str(), got.payload.as_slice(), got.qos),
                (topic.as_str(), format!("at {qos}").as_bytes(), qos)
            );
            if qos == 2 {
                assert_eq!(receiver.next_packet(), Packet::PubRel { id: got.id });
                receiver.send(&packet::pubcomp(got.id));
            }
        }
        assert_eq!(receiver.ping(), [], "each message came once");
    }
}

#[test]
fn whatever_is_not_granted_is_refused() {
    let house = House::new();
    let mut client = house.dial("dev-1").connect();
    for filter in [
        "#",
        "+/#",
        "devices/#",
        "devices/+/a",
        "devices/dev-2/a",
        "devices/dev-10/#",
        "up/dev-1",
        "é/#",
        "$SYS/#",
        "$foo",
    ] {
        assert_eq!(client.subscribe(&[(filter, 0)]), [0x87], "{filter}");
    }
    for topic in ["devices/dev-2/a", "devices", "devices/dev-10", "sites/1", "sites/1/alarms/x", "up/dev-2", "é/x", "a"]
    {
        assert_eq!(client.publish(&Message::new(topic, "x")), 0x87, "{topic}");
    }
    for filter in ["devices/dev-1/#", "devices/dev-1/+/x", "sites/#", "sites/+/alarms", "é/x"] {
        assert_eq!(client.subscribe(&[(filter, 0)]), [0], "{filter}");
    }
    for topic in ["devices/dev-1/a/b/c", "sites/7/alarms", "up/dev-1"] {
        assert_eq!(client.publish(&Message::new(topic, "x")), 0, "{topic}");
    }
    // MQTT 3.1.1 cannot refuse one publication.
    let mut old = house.dial("dev-1").version(Version::V311).connect();
    assert_eq!(old.subscribe(&[("devices/dev-2/a", 0)]), [0x80]);
    old.send(&packet::publish(Version::V311, &Message::new("devices/dev-2/a", "x")));
    assert_eq!(old.until_end(), []);
}

#[test]
fn one_devices_messages_are_not_anothers() {
    let house = House::new();
    let mut one = house.dial("dev-1").connect();
    let mut two = house.dial("dev-2").connect();
    one.subscribe(&[("devices/dev-1/#", 0), ("sites/#", 0)]);
    two.subscribe(&[("devices/dev-2/#", 0), ("sites/#", 0)]);
    assert_eq!(one.publish(&Message::new("devices/dev-1/a", "private")), 0);
    assert_eq!(one.publish(&Message::new("sites/1/alarms", "public")), 0);
    assert_eq!(two.message().payload, b"public");
    assert_eq!((one.message().payload, one.message().payload), (b"private".to_vec(), b"public".to_vec()));
    assert_eq!(two.ping(), []);
}

#[test]
fn odd_topics_do_nothing_bad() {
    let house = House::new();
    let mut listener = house.dial("dev-1").connect();
    listener.subscribe(&[("devices/dev-1/#", 0), ("é/x", 0)]);
    for version in Version::BOTH {
        for topic in ["é/x", "devices/dev-2/é", "/", "//", " ", "a//b", "ﷺ/\u{10ffff}"] {
            let ended = Mosquitto::publish(&house.service, "dev-9", &house.pki.device("dev-9"), version)
                .arguments(&["-t", topic, "-m", "x", "-q", "1"])
                .run();
            assert!(ended.code().is_some(), "{topic}: {ended:?}");
        }
    }
    let mut sender = house.dial("dev-1").client_id("dev-1/sender").connect();
    for topic in
        ["devices/dev-1/é/x", "devices/dev-1//", "devices/dev-1/ﷺ", "devices/dev-1/\u{10ffff}", "devices/dev-1"]
    {
        assert_eq!(sender.publish(&Message::new(topic, topic)), 0);
        assert_eq!(listener.message().payload, topic.as_bytes());
    }
    assert_eq!(listener.register("{}")["status"], 200);
}

#[test]
fn a_retained_message_waits_for_subscribers_until_it_is_cleared() {
    let house = House::new();
    let mut sender = house.dial("dev-1").client_id("dev-1/sender").connect();
    assert_eq!(sender.publish(&Message::new("devices/dev-1/state", "on").retained()), 0);
    for version in Version::BOTH {
        let mut late = house.dial("dev-1").version(version).client_id("dev-1/late").connect();
        late.subscribe(&[("devices/dev-1/+", 1)]);
        let got = late.message();
        assert_eq!((got.payload.as_slice(), got.retain), (b"on".as_slice(), true));
    }
    assert_eq!(sender.publish(&Message::new("devices/dev-1/state", "").retained()), 0);
    let mut later = house.dial("dev-1").client_id("dev-1/late").connect();
    later.subscribe(&[("devices/dev-1/+", 1)]);
    assert_eq!(later.ping(), []);
}

#[test]
fn a_will_is_published_when_the_connection_breaks_and_not_after_a_good_bye() {
    let house = House::new();
    for version in Version::BOTH {
        let mut watcher = house.dial("dev-1").client_id("dev-1/watcher").version(version).connect();
        watcher.subscribe(&[("devices/dev-1/gone", 1)]);
        let mortal = |words: &str| {
            house
                .dial("dev-1")
                .client_id("dev-1/mortal")
                .version(version)
                .will(Message::new("devices/dev-1/gone", words))
        };
        mortal("polite").connect().disconnect();
        mortal("broken").connect().break_off();
        assert_eq!(watcher.message().payload, b"broken");
        let mut faulty = mortal("malformed").connect();
        faulty.send(&[0xff, 0xff]);
        faulty.until_end();
        assert_eq!(watcher.message().payload, b"malformed");
        if version == Version::V5 {
            // Disconnect with Will Message.
            let mut asked_for = mortal("asked for").connect();
            asked_for.send(&[0xe0, 1, 4]);
            assert_eq!(watcher.message().payload, b"asked for");
        }
        let _taken_over = mortal("taken over").connect();
        let successor = mortal("-").connect();
        assert_eq!(watcher.message().payload, b"taken over");
        successor.disconnect();
        assert_eq!(watcher.ping(), []);
    }
}

#[test]
fn properties_of_mqtt_5_reach_mqtt_5_and_are_left_out_for_3_1_1() {
    let house = House::new();
    let mut modern = house.dial("dev-1").client_id("dev-1/5").connect();
    let mut old = house.dial("dev-1").client_id("dev-1/4").version(Version::V311).connect();
    for client in [&mut modern, &mut old] {
        client.subscribe(&[("devices/dev-1/a", 1)]);
    }
    let mut message = Message::new("devices/dev-1/a", "x")
        .property(CONTENT_TYPE, "text/plain")
        .property(RESPONSE_TOPIC, "devices/dev-1/b")
        .property(CORRELATION_DATA, [1, 2]);
    message.properties.push(Property::Pair(packet::property::USER, "k".into(), "v".into()));
    let mut sender = house.dial("dev-1").client_id("dev-1/sender").connect();
    assert_eq!(sender.publish(&message), 0);
    let got = modern.message();
    for property in &message.properties {
        assert!(got.properties.contains(property), "{property:?} is missing in {got:?}");
    }
    let got = old.message();
    assert_eq!((got.payload.as_slice(), got.properties.as_slice()), (b"x".as_slice(), [].as_slice()));
    // And back.
    let mut old_sender = house.dial("dev-1").client_id("dev-1/old").version(Version::V311).connect();
    old_sender.publish(&Message::new("devices/dev-1/a", "y"));
    assert_eq!(modern.message().payload, b"y");
}

#[test]
fn after_unsubscribe_nothing_comes() {
    let house = House::new();
    let mut client = house.dial("dev-1").connect();
    client.subscribe(&[("devices/dev-1/a", 0), ("devices/dev-1/b", 0)]);
    assert_eq!(client.unsubscribe(&["devices/dev-1/a", "devices/dev-1/never"]), [0, 0x11]);
    client.publish(&Message::new("devices/dev-1/a", "1"));
    client.publish(&Message::new("devices/dev-1/b", "2"));
    assert_eq!(client.message().payload, b"2");
    assert_eq!(client.ping(), []);
}

#[test]
fn mosquitto_pub_and_sub_talk_to_each_other() {
    let house = House::new();
    let device = house.pki.device("dev-1");
    let filters = ["-t", "devices/dev-1/#", "-C", "1", "-v", "-q", "2", "-i", "dev-1/sub"];
    let mut subscriber =
        Mosquitto::subscribe(&house.service, "dev-1", &device, Version::V311).arguments(&filters).start();
    subscriber.wait_for("Subscribed");
    let message = ["-t", "devices/dev-1/temperature", "-m", "21.5", "-q", "2", "-i", "dev-1/pub"];
    let published = Mosquitto::publish(&house.service, "dev-1", &device, Version::V5).arguments(&message).run();
    assert_eq!(published.code(), Some(0), "{published:?}");
    assert!(subscriber.end().text().contains("devices/dev-1/temperature 21.5"));
}

#[test]
fn an_answer_may_be_led_to_an_ordinary_topic_that_the_device_hears() {
    let house = House::new();
    let mut client = house.dial("dev-1").connect();
    client.subscribe(&[("devices/dev-1/inbox", 1), (REGISTER_RESPONSE, 0)]);
    let request =
        Message::new(REGISTER, "{}").property(RESPONSE_TOPIC, "devices/dev-1/inbox").property(CORRELATION_DATA, "7");
    assert_eq!(client.publish(&request), 0);
    let answer = client.message();
    assert_eq!(
        (answer.topic.as_str(), answer.bytes_property(CORRELATION_DATA)),
        ("devices/dev-1/inbox", Some(b"7".as_slice()))
    );
    assert_eq!(answer.json()["status"], 200);
    assert_eq!(client.ping(), [], "one copy");
    // Nobody else's inbox.
    let mut neighbour = house.dial("dev-2").connect();
    neighbour.subscribe(&[("devices/dev-2/inbox", 1)]);
    client.publish(&Message::new(REGISTER, "{}").property(RESPONSE_TOPIC, "devices/dev-2/inbox"));
    assert_eq!(client.message().topic, REGISTER_RESPONSE);
    assert_eq!(neighbour.ping(), []);
}

#[test]
fn a_burst_to_a_slow_reader_does_not_hold_others_up() {
    let house = House::new();
    let mut slow = house.dial("dev-1").client_id("dev-1/slow").connect();
    slow.subscribe(&[("devices/dev-1/flood", 0)]);
    let mut sender = house.dial("dev-1").client_id("dev-1/sender").connect();
    let flood = Message::new("devices/dev-1/flood", vec![b'x'; 10_000]);
    for _ in 0..500 {
        sender.tell(&flood);
    }
    sender.ping();
    // Another device, while nothing of that was read.
    let mut other = house.dial("dev-2").connect();
    other.subscribe(&[("devices/dev-2/a", 0)]);
    other.publish(&Message::new("devices/dev-2/a", "quick"));
    assert_eq!(other.message().payload, b"quick");
    assert_eq!(other.register("{}")["status"], 200);
}
