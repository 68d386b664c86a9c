//! Sessions on a hub: who is let in, what a session may do, and what it leaves behind.

use firsthop_tests::hub::{METHODS, NOTIFY, dial, dial_at};
use firsthop_tests::*;
use serde_json::{Value, json};

const GROUP: &str = "hubs = [\"hub-a\"]\nresources = { command_queue = { messages = 3, bytes = \"64KiB\", expiry = \"1h\" }, events = { messages = 2, bytes = \"64KiB\" } }";

fn registered() -> (Pki, Service, firsthop_certs::Identity) {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, GROUP).start();
    let identity = pki.device("dev-1");
    assert_eq!(Dial::new(&service, &pki, &identity).connect().register("{}")["status"], 200);
    (pki, service, identity)
}

fn code(answer: Option<Packet>) -> u8 {
    match answer {
        Some(Packet::ConnAck { code, .. }) => code,
        other => panic!("no CONNACK: {other:?}"),
    }
}

#[test]
fn a_hub_lets_in_only_devices_that_were_provisioned_to_it_with_their_own_credential() {
    let (pki, service, identity) = registered();
    let unregistered = pki.device("dev-2");
    let impostor = pki.root.intermediate("Other factory").unwrap().device("dev-1").unwrap();
    for (version, refused) in [(Version::V311, 5), (Version::V5, 0x87)] {
        let dialled = |identity, device, hub| dial(&service, &pki, identity, device, hub).version(version);
        assert_eq!(code(dialled(&unregistered, "dev-2", "hub-a").try_connect().1), refused);
        assert_eq!(code(dialled(&impostor, "dev-1", "hub-a").try_connect().1), refused);
        assert_eq!(code(dialled(&unregistered, "dev-1", "hub-a").try_connect().1), refused);
        let stranger = Dial::stranger(&service, &pki).at(service.hub("hub-a")).client_id("dev-1").version(version);
        assert_eq!(code(stranger.try_connect().1), refused);
    }
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").twin();
    // A renewed certificate of the same authority and name is the same device.
    HubClient::connect(&service, &pki, &pki.device("dev-1"), "dev-1", "hub-a").twin();
}

#[test]
fn client_id_and_user_name_may_be_left_out_but_not_say_another_device_or_hub() {
    let (pki, service, identity) = registered();
    let at_hub = || Dial::new(&service, &pki, &identity).at(service.hub("hub-a"));
    assert_eq!(code(at_hub().try_connect().1), 0);
    assert_eq!(code(at_hub().client_id("dev-1").try_connect().1), 0);
    let wrong = [
        at_hub().client_id("dev-2"),
        at_hub().client_id("dev-1/module"),
        at_hub().client_id("dev-1").user_name("hub-a/dev-2/?api-version=2021-04-12"),
        at_hub().client_id("dev-1").user_name("hub-b/dev-1/?api-version=2021-04-12"),
        at_hub().client_id("dev-1").user_name("hub-a/dev-1/module/?api-version=2021-04-12"),
    ];
    for (at, dial) in wrong.into_iter().enumerate() {
        assert_ne!(code(dial.try_connect().1), 0, "case {at}");
    }
}

#[test]
fn a_newcomer_of_the_same_device_takes_over() {
    let (pki, service, identity) = registered();
    let mut old = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    let mut new = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    let end = old.client.until_end();
    assert!(matches!(end.last(), Some(Packet::Disconnect { code: 0x8e, .. })), "{end:?}");
    new.twin();
}

#[test]
fn hubs_on_the_service_port_are_told_apart_by_user_name_and_by_server_name() {
    let pki = Pki::new();
    let shared = |name: &str| format!("[[hubs]]\nname = \"{name}\"\nhost = \"{name}.localhost\"\nshared = true\n");
    let mut config = ServiceConfig::without_entries(&pki).with(&shared("hub-a")).with(&shared("hub-b"));
    config = config.group("factory", &pki.factory, "hubs = [\"hub-a\"]");
    let names = ["localhost", "127.0.0.1", "hub-a.localhost", "hub-b.localhost"].map(str::to_owned);
    pki.root.server(&names).unwrap().replace(config.dir(), "server").unwrap();
    let service = config.start();
    let identity = pki.device("dev-1");
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!(answer["assignedHub"], format!("hub-a.localhost:{}", service.port()), "{answer}");

    let by_user_name = dial_at(&service, &pki, &identity, "dev-1", "hub-a", service.address());
    HubClient::over(by_user_name.connect(), "dev-1").twin();
    let by_host = dial_at(&service, &pki, &identity, "dev-1", "HUB-A.localhost", service.address());
    HubClient::over(by_host.connect(), "dev-1").twin();
    let by_server_name = Dial::new(&service, &pki, &identity).client_id("dev-1").server_name("hub-a.localhost");
    HubClient::over(by_server_name.connect(), "dev-1").twin();
    let wrong_hub = Dial::new(&service, &pki, &identity).client_id("dev-1").server_name("hub-b.localhost");
    assert_eq!(code(wrong_hub.version(Version::V311).try_connect().1), 5);
    // Without either it is the provisioning endpoint.
    assert_eq!(Dial::new(&service, &pki, &identity).connect().status("{}")["state"], "assigned");
}

#[test]
fn a_hub_on_the_service_port_does_not_take_the_clients_of_a_host_that_is_dialled_for_provisioning_too() {
    let pki = Pki::new();
    let hub = "[[hubs]]\nname = \"hub-a\"\nhost = \"localhost\"\nshared = true\n";
    let service = ServiceConfig::without_entries(&pki).with(hub).group("factory", &pki.factory, "").start();
    let identity = pki.device("dev-1");
    let dialled = || Dial::new(&service, &pki, &identity).client_id("dev-1").server_name("localhost");
    assert_eq!(dialled().connect().register("{}")["status"], 200);
    assert_eq!(dialled().connect().status("{}")["state"], "assigned");
    let by_user_name = dial_at(&service, &pki, &identity, "dev-1", "hub-a", service.address());
    HubClient::over(by_user_name.connect(), "dev-1").twin();
}

#[test]
fn messages_wait_for_an_offline_device_in_their_order_until_it_acknowledges_them() {
    let (pki, service, identity) = registered();
    let config = service.config.clone();
    for n in 1..=3 {
        service.managed(&["device", "send", "dev-1", &format!("message {n}"), "--property", &format!("n={n}")]);
    }
    let full = service.manage(&["device", "send", "dev-1", "one too many"]);
    assert_eq!(full.code(), Some(7), "{full:?}");
    service.kill();
    let service = config.start();

    let bound = "devices/dev-1/messages/devicebound/#";
    let lasting = || dial(&service, &pki, &identity, "dev-1", "hub-a").lasting();
    let mut client = lasting().connect();
    assert_eq!(client.subscribe(&[(bound, 1)]), [1]);
    let first = client.message();
    assert_eq!((first.payload.as_slice(), first.qos), (b"message 1".as_slice(), 1));
    assert!(first.topic.starts_with("devices/dev-1/messages/devicebound/") && first.topic.contains("n=1"), "{first:?}");
    // At least once, in their order: the first one comes again where its acknowledgement had not arrived when the connection broke.
    client.break_off();
    let mut client = lasting().connect();
    let mut payloads = vec![String::from_utf8(client.message().payload).unwrap()];
    while payloads.last().is_some_and(|last| last != "message 3") {
        payloads.push(String::from_utf8(client.message().payload).unwrap());
    }
    assert!(
        payloads.ends_with(&["message 2".to_owned(), "message 3".to_owned()]) && payloads.len() <= 3,
        "{payloads:?}"
    );
    client.disconnect();
    // What was acknowledged leaves the queue.
    let deadline = std::time::Instant::now() + PATIENCE;
    while !lasting().connect().ping().is_empty() {
        assert!(std::time::Instant::now() < deadline, "acknowledged messages come again and again");
    }
}

#[test]
fn telemetry_reaches_back_ends_and_the_newest_is_kept() {
    let pki = Pki::new();
    let backend = pki.device("backend");
    let config = ServiceConfig::with_hubs(&pki, GROUP);
    let grants = "hubs = [\"hub-a\"]\n[individuals.topics]\nsubscribe = [\"devices/+/messages/events/#\"]";
    let service = config.individual("backend", &backend, grants).start();
    let identity = pki.device("dev-1");
    for identity in [&identity, &backend] {
        assert_eq!(Dial::new(&service, &pki, identity).connect().register("{}")["status"], 200);
    }
    let mut listener = dial(&service, &pki, &backend, "backend", "hub-a").connect();
    assert_eq!(listener.subscribe(&[("devices/+/messages/events/#", 1)]), [1]);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    for n in 1..=3 {
        assert_eq!(device.telemetry("kind=t&%24.ct=text", &format!("value {n}")), 0);
        let seen = listener.message();
        assert_eq!(seen.topic, "devices/dev-1/messages/events/kind=t&%24.ct=text");
        assert_eq!(seen.payload, format!("value {n}").as_bytes());
    }
    let events = service.managed(&["device", "events", "dev-1"]);
    let text = events.to_string();
    assert_eq!(events.as_array().map(Vec::len), Some(2), "{events}");
    assert!(!text.contains("value 1"), "the oldest made room: {text}");
    // Another device's telemetry topic is closed.
    assert!(device.client.publish(&Message::new("devices/dev-2/messages/events/", "x")) >= 0x80);
}

#[test]
fn a_direct_method_is_answered_by_the_device() {
    let (pki, service, identity) = registered();
    let offline = service.manage(&["device", "invoke", "dev-1", "reboot", "--payload", "{}"]);
    assert_eq!(offline.code(), Some(3), "{offline:?}");
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    assert_eq!(device.client.subscribe(&[(METHODS, 0)]), [0]);
    let answered = std::thread::scope(|scope| {
        let call =
            scope.spawn(|| service.managed(&["device", "invoke", "dev-1", "reboot", "--payload", r#"{"delay":5}"#]));
        let request = device.client.message();
        let rid =
            request.topic.strip_prefix("$iothub/methods/POST/reboot/?$rid=").expect("the method's topic").to_owned();
        assert_eq!(request.json(), json!({"delay": 5}));
        device.client.publish(&Message::new(&format!("$iothub/methods/res/200/?$rid={rid}"), r#"{"done":true}"#));
        call.join().unwrap()
    });
    assert_eq!(answered, json!({"status": 200, "payload": {"done": true}}));
    let silent = service.manage(&["device", "invoke", "dev-1", "reboot", "--payload", "{}", "--timeout", "5s"]);
    assert_eq!(silent.code(), Some(6), "{silent:?}");
}

#[test]
fn a_device_is_asked_to_register_again_wherever_it_is_connected() {
    let (pki, service, identity) = registered();
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(provisioning.subscribe(&[(NOTIFY, 0)]), [0]);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    assert_eq!(device.client.subscribe(&[(NOTIFY, 1)]), [1]);
    for target in
        [["registration", "reprovision", "dev-1"], ["group", "reprovision", "factory"], ["hub", "reprovision", "hub-a"]]
    {
        let mut arguments = target.to_vec();
        arguments.extend(["--reason", "moving to another region", "--spread", "1s"]);
        let told = service.managed(&arguments);
        assert_eq!(told["told"], 1, "{target:?}: {told}");
        for notice in [provisioning.message(), device.client.message()] {
            let notice: Value = notice.json();
            assert_eq!(
                (&notice["reason"], &notice["spread"]),
                (&json!("moving to another region"), &json!(1)),
                "{target:?}"
            );
        }
    }
}

#[test]
fn ordinary_topics_of_one_hub_do_not_reach_another() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki).embedded("hub-a", "").embedded("hub-b", "");
    let grants = |hub: &str| {
        format!("hubs = [\"{hub}\"]\n[individuals.topics]\nsubscribe = [\"shared/#\"]\npublish = [\"shared/#\"]")
    };
    let (one, other) = (pki.device("one"), pki.device("other"));
    let service =
        config.individual("one", &one, &grants("hub-a")).individual("other", &other, &grants("hub-b")).start();
    for identity in [&one, &other] {
        assert_eq!(Dial::new(&service, &pki, identity).connect().register("{}")["status"], 200);
    }
    let mut on_a = dial(&service, &pki, &one, "one", "hub-a").connect();
    let mut on_b = dial(&service, &pki, &other, "other", "hub-b").connect();
    assert_eq!(on_a.subscribe(&[("shared/#", 1)]), [1]);
    assert_eq!(on_b.subscribe(&[("shared/#", 1)]), [1]);
    assert_eq!(on_a.publish(&Message::new("shared/x", "from a")), 0);
    assert_eq!(on_a.message().payload, b"from a");
    assert_eq!(on_b.publish(&Message::new("shared/x", "from b")), 0);
    assert_eq!(on_b.message().payload, b"from b");
}
