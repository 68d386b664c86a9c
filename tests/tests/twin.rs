//! The device twin over MQTT: what a device may read and write, what the back end changes, and what survives.

use firsthop_tests::hub::{DESIRED, dial};
use firsthop_tests::*;
use serde_json::{Value, json};

const INITIAL: &str = "initial_twin = { tags = { owner = \"acme\" }, desired = { interval = 60, led = { on = true } } }\nhubs = [\"hub-a\"]";

fn registered(group: &str) -> (Pki, Service, firsthop_certs::Identity) {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, group).start();
    let identity = pki.device("dev-1");
    assert_eq!(Dial::new(&service, &pki, &identity).connect().register("{}")["status"], 200);
    (pki, service, identity)
}

#[test]
fn a_device_reads_its_twin_without_tags_and_metadata() {
    let (pki, service, identity) = registered(INITIAL);
    for version in Version::BOTH {
        let client = dial(&service, &pki, &identity, "dev-1", "hub-a").version(version).connect();
        let twin = HubClient::over(client, "dev-1").twin();
        let expected = json!({
            "desired": {"interval": 60, "led": {"on": true}, "$version": 1},
            "reported": {"$version": 1},
        });
        assert_eq!(twin, expected);
    }
}

#[test]
fn reported_properties_merge_and_null_removes() {
    let (pki, service, identity) = registered(INITIAL);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    assert_eq!(device.report(&json!({"fw": {"version": "1.0", "slot": "a"}, "up": true})), 2);
    assert_eq!(device.report(&json!({"fw": {"slot": null, "version": "1.1"}, "up": null})), 3);
    assert_eq!(device.twin()["reported"], json!({"fw": {"version": "1.1"}, "$version": 3}));
}

#[test]
fn a_patch_that_breaks_a_limit_is_refused_with_its_path_and_changes_nothing() {
    let (pki, service, identity) = registered(INITIAL);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    let deep = (0..12).fold(json!(1), |inner, _| json!({"a": inner}));
    let cases: [(Value, &str); 6] = [
        (json!({"text": "x".repeat(5000)}), "text"),
        (json!({"number": 4_503_599_627_370_497_i64}), "number"),
        (json!({"a.b": 1}), "a.b"),
        (json!({"$version": 7}), "$version"),
        (deep, "a"),
        (Value::Object((0..20).map(|n| (format!("k{n}"), json!("y".repeat(2000)))).collect()), "32"),
    ];
    for (patch, named) in cases {
        let answer = device.try_report(&patch);
        assert_eq!(answer.status, 400, "{named}: {answer:?}");
        assert_eq!(answer.body["errorCode"], 400_004, "{answer:?}");
        assert!(answer.body["message"].as_str().unwrap().contains(named), "{named}: {answer:?}");
        assert!(answer.body["trackingId"].is_string(), "{answer:?}");
    }
    assert_eq!(device.twin()["reported"], json!({"$version": 1}));
    assert_eq!(device.report(&json!({"fine": 1})), 2);
}

#[test]
fn malformed_patches_and_requests_are_refused_and_the_session_lives() {
    let (pki, service, identity) = registered(INITIAL);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    for (rid, body) in [("m1", "{"), ("m2", "[]"), ("m3", r#"{"a":1,"a":2}"#), ("m4", "")] {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}");
        assert_eq!(device.client.publish(&Message::new(&topic, body)), 0);
        let answer = device.client.message();
        assert_eq!(answer.topic, format!("$iothub/twin/res/400/?$rid={rid}"), "{body}");
    }
    // Without a request id there is nobody to answer: MQTT 5 says so in the acknowledgement.
    assert!(device.client.publish(&Message::new("$iothub/twin/GET/?", " ")) >= 0x80);
    assert!(device.client.publish(&Message::new("$iothub/nothing/?$rid=1", " ")) >= 0x80);
    assert_eq!(device.twin()["reported"]["$version"], 1);
}

#[test]
fn a_patch_at_another_version_than_expected_is_a_conflict() {
    let (pki, service, identity) = registered(INITIAL);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    device.report(&json!({"n": 1}));
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=v&$version=1";
    assert_eq!(device.client.publish(&Message::new(topic, r#"{"n":2}"#)), 0);
    assert!(device.client.message().topic.starts_with("$iothub/twin/res/412/?$rid=v"));
    assert_eq!(device.twin()["reported"], json!({"n": 1, "$version": 2}));
}

#[test]
fn desired_changes_are_pushed_with_their_version() {
    let (pki, service, identity) = registered(INITIAL);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    assert_eq!(device.client.subscribe(&[(DESIRED, 1)]), [1]);
    let twin = service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":5,"led":null}"#]);
    assert_eq!(twin["properties"]["desired"]["$version"], 2, "{twin}");
    assert_eq!(twin["tags"], json!({"owner": "acme"}), "{twin}");
    assert!(twin["properties"]["desired"]["$metadata"]["interval"]["$lastUpdated"].is_string(), "{twin}");
    let pushed = device.client.message();
    assert_eq!(pushed.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(pushed.json(), json!({"interval": 5, "led": null, "$version": 2}));
    assert_eq!(device.twin()["desired"], json!({"interval": 5, "$version": 2}));

    // Tags are the back end's own affair.
    service.managed(&["twin", "update", "dev-1", "--tags", r#"{"owner":"umbrella"}"#]);
    assert_eq!(device.client.ping().len(), 0);

    // With a stale etag nothing changes.
    let stale = service.manage(&["twin", "update", "dev-1", "--desired", r#"{"interval":9}"#, "--if-match", "1"]);
    assert_eq!(stale.code(), Some(5), "{stale:?}");
    assert_eq!(device.twin()["desired"]["interval"], 5);
}

#[test]
fn an_acknowledged_patch_survives_kill_9() {
    let (pki, service, identity) = registered(INITIAL);
    let config = service.config.clone();
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    for n in 2..20 {
        assert_eq!(device.report(&json!({"n": n})), n);
    }
    service.kill();
    let service = config.start();
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").twin();
    assert_eq!(twin["reported"], json!({"n": 19, "$version": 19}));
}

#[test]
fn subscriptions_of_a_lasting_session_survive_a_reconnect_and_a_restart() {
    let (pki, service, identity) = registered(INITIAL);
    let config = service.config.clone();
    let lasting = |service: &Service| dial(service, &pki, &identity, "dev-1", "hub-a").version(Version::V311).lasting();
    let mut first = lasting(&service).connect();
    assert_eq!(first.subscribe(&[(DESIRED, 1), (hub::TWIN_ANSWERS, 1), (hub::METHODS, 0)]), [1, 1, 0]);
    first.break_off();
    service.kill();

    let service = config.start();
    // As the SDKs do: nothing is subscribed anew.
    let (mut again, answer) = lasting(&service).try_connect();
    assert!(matches!(answer, Some(Packet::ConnAck { code: 0, present: true, .. })), "{answer:?}");
    service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":7}"#]);
    assert_eq!(again.message().json(), json!({"interval": 7, "$version": 2}));
    // One that asks for a clean session starts without any.
    again.disconnect();
    let mut clean = dial(&service, &pki, &identity, "dev-1", "hub-a").connect();
    service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":8}"#]);
    assert_eq!(clean.ping().len(), 0);
    clean.disconnect();
    let mut forgotten = lasting(&service).connect();
    service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":9}"#]);
    assert_eq!(forgotten.ping().len(), 0);
}

#[test]
fn mosquitto_rr_reads_a_twin_with_exact_topics() {
    let (_, service, identity) = registered(INITIAL);
    let (certificate, key) = service.config.device_files("dev-1", &identity);
    let mut command = std::process::Command::new("mosquitto_rr");
    command
        .args(["-h", "localhost", "-p", &service.hub("hub-a").port().to_string(), "-i", "dev-1", "-V", "mqttv311"])
        .args(["-t", "$iothub/twin/GET/?$rid=1", "-e", "$iothub/twin/res/200/?$rid=1", "-m", " ", "-W", "30"])
        .arg("--cafile")
        .arg(service.config.root_file())
        .arg("--cert")
        .arg(certificate)
        .arg("--key")
        .arg(key)
        .env("XDG_CONFIG_HOME", service.config.dir());
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(ended.json()["desired"]["interval"], 60, "{ended:?}");
}
