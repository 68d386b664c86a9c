//! The clients that people have: mosquitto's, rumqttc, and the agent as a library and as a command.

use std::process::Command;
use std::time::Duration;

use firsthop_agent::{MqttVersion, Options};
use firsthop_protocol::{Answer, Format, RegisterRequest, StatusRequest};
use firsthop_tests::bridge::Bridge;
use firsthop_tests::fleet::{agent, runtime};
use firsthop_tests::*;
use rumqttc::Transport;
use serde_json::Value;

fn started() -> (Pki, Service) {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    (pki, service)
}

#[test]
fn mosquitto_rr_registers_in_both_versions() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    for version in Version::BOTH {
        let arguments = ["-t", REGISTER, "-e", REGISTER_RESPONSE, "-m", "{}"];
        let ended = Mosquitto::rr(&service, "dev-1", &device, version).arguments(&arguments).run();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert_eq!(ended.json()["status"], 200, "{ended:?}");
    }
}

#[test]
fn mosquitto_rr_shows_a_refused_device_why() {
    let (pki, service) = started();
    let device = pki.factory.broken_device("dev-1", firsthop_certs::Defect::Expired).unwrap();
    for version in Version::BOTH {
        let arguments = ["-t", REGISTER, "-e", REGISTER_RESPONSE, "-m", "{}"];
        let ended = Mosquitto::rr(&service, "dev-1", &device, version).arguments(&arguments).run();
        assert_eq!(ended.json()["errorCode"], 401_003, "{ended:?}");
    }
}

#[test]
fn mosquitto_sub_gets_what_mosquitto_pub_of_the_same_device_asked_for() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    for version in Version::BOTH {
        let filters = ["-t", "$provisioning/register/accepted", "-C", "1", "-v", "-i", "dev-1/terminal-1"];
        let mut subscriber = Mosquitto::subscribe(&service, "dev-1", &device, version).arguments(&filters).start();
        subscriber.wait_for("Subscribed");
        let request = ["-t", REGISTER, "-m", r#"{"rid":"two-terminals"}"#, "-q", "1", "-i", "dev-1/terminal-2"];
        let published = Mosquitto::publish(&service, "dev-1", &device, version).arguments(&request).run();
        assert_eq!(published.code(), Some(0), "{published:?}");
        let ended = subscriber.end();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.text().contains("two-terminals"), "{ended:?}");
    }
}

#[test]
fn mosquitto_sub_may_come_after_mosquitto_pub() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    for version in Version::BOTH {
        let request = ["-t", REGISTER, "-m", r#"{"rid":"late"}"#, "-q", "1"];
        Mosquitto::publish(&service, "dev-1", &device, version).arguments(&request).run();
        // The client has left before the answer was there.
        service.log.wait_for("registered", |line| line["message"] == "registered");
        let filters = ["-t", REGISTER_RESPONSE, "-C", "1"];
        let ended = Mosquitto::subscribe(&service, "dev-1", &device, version).arguments(&filters).run();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.text().contains("late"), "{ended:?}");
    }
}

#[test]
fn the_agent_library_registers_and_looks_up_in_every_combination() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    runtime().block_on(async {
        for mqtt in [MqttVersion::V311, MqttVersion::V5] {
            for format in [Format::Json, Format::Cbor] {
                let options = Options { mqtt, format, ..Options::default() };
                let mut connection = agent(&service, &pki, &device, options).connect().await.unwrap();
                let Answer::Accepted(registered) = connection.register(&RegisterRequest::default()).await.unwrap()
                else {
                    panic!("accepted")
                };
                let Answer::Accepted(found) = connection.status(&StatusRequest::default()).await.unwrap() else {
                    panic!("found")
                };
                assert_eq!((&found.assigned_hub, found.etag), (&registered.assigned_hub, registered.etag));
                connection.ping().await.unwrap();
                connection.close().await;
            }
        }
    });
}

fn agent_command(service: &Service, device: &firsthop_certs::Identity, verb: &str) -> Command {
    let (certificate, key) = service.config.device_files("device", device);
    let mut command = Command::new(binary("firsthop-agent"));
    command
        .args([verb, "--host", "localhost", "--port", &service.port().to_string(), "--ca"])
        .arg(service.config.root_file());
    command.arg("--cert").arg(certificate).arg("--key").arg(key).args(["--output", "json"]);
    command
}

#[test]
fn the_agent_command_registers_and_looks_up() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let before = run(&mut agent_command(&service, &device, "lookup"));
    assert_eq!(before.code(), Some(3), "{before:?}");
    for (version, format) in [("5", "json"), ("3.1.1", "cbor")] {
        let ended =
            run(agent_command(&service, &device, "register")
                .args(["--mqtt", version, "--format", format, "--rid", "cli"]));
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert_eq!((&ended.json()["status"], &ended.json()["rid"]), (&200.into(), &"cli".into()), "{ended:?}");
    }
    let found = run(&mut agent_command(&service, &device, "lookup"));
    assert_eq!((found.code(), &found.json()["registrationId"]), (Some(0), &"dev-1".into()), "{found:?}");
}

#[test]
fn the_agent_command_ends_with_the_code_of_a_refusal() {
    let (pki, service) = started();
    let stranger = pki.root.device("dev-1").unwrap();
    let refused = run(&mut agent_command(&service, &stranger, "register"));
    assert_eq!(refused.code(), Some(4), "{refused:?}");
    assert_eq!(refused.json()["status"], 401, "{refused:?}");
}

#[test]
fn rumqttc_registers_with_mqtt_3_1_1() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let (pki, service) = started();
    let dial = Dial::new(&service, &pki, &pki.device("dev-1"));
    let answer = runtime().block_on(tokio_limit(async {
        let bridge = Bridge::open(&service, &dial);
        let mut options = MqttOptions::new("dev-1", bridge.path().to_str().unwrap(), 1);
        options.set_transport(Transport::Unix);
        let (client, mut events) = AsyncClient::new(options, 8);
        client.subscribe(REGISTER_RESPONSE, QoS::AtLeastOnce).await.unwrap();
        client.publish(REGISTER, QoS::AtLeastOnce, false, "{}").await.unwrap();
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                return publish.payload;
            }
        }
    }));
    assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["status"], 200);
}

#[test]
fn rumqttc_registers_with_mqtt_5() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let (pki, service) = started();
    let dial = Dial::new(&service, &pki, &pki.device("dev-1"));
    let answer = runtime().block_on(tokio_limit(async {
        let bridge = Bridge::open(&service, &dial);
        let mut options = MqttOptions::new("dev-1", bridge.path().to_str().unwrap(), 1);
        options.set_transport(Transport::Unix);
        let (client, mut events) = AsyncClient::new(options, 8);
        client.subscribe(REGISTER_RESPONSE, QoS::AtLeastOnce).await.unwrap();
        let properties = PublishProperties {
            response_topic: Some(REGISTER_RESPONSE.to_owned()),
            correlation_data: Some("7".into()),
            ..PublishProperties::default()
        };
        client.publish_with_properties(REGISTER, QoS::AtLeastOnce, false, "{}", properties).await.unwrap();
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                return publish;
            }
        }
    }));
    assert_eq!(serde_json::from_slice::<Value>(&answer.payload).unwrap()["status"], 200);
    let properties = answer.properties.unwrap();
    assert_eq!(properties.correlation_data.as_deref(), Some(b"7".as_slice()));
    assert!(properties.user_properties.contains(&("status".to_owned(), "200".to_owned())), "{properties:?}");
}

async fn tokio_limit<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("an answer in time")
}
