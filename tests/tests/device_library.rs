//! The agent's library as a Rust device uses it: a device that looks after itself, against the real service and its hubs.

use std::sync::Arc;
use std::time::Duration;

use firsthop_agent::device::{Device, DeviceConfig, RegisterTemplate, Update};
use firsthop_agent::disk::{OutboxLimits, Telemetry};
use firsthop_agent::flow::Policy;
use firsthop_agent::keys::{self, CredentialsSource};
use firsthop_agent::{Endpoint, MqttVersion, TrustedRoots};
use firsthop_protocol::Timestamp;
use firsthop_tests::fleet::runtime;
use firsthop_tests::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

struct World {
    pki: Pki,
    service: Service,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let pki = Pki::new();
        let service = ServiceConfig::with_hubs(&pki, "").start();
        Self { pki, service, folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self, id: &str, mqtt: MqttVersion) -> DeviceConfig {
        let roots = TrustedRoots::from_der(vec![self.pki.root.certificate_der().clone()]).unwrap();
        let (certificate, key) = self.service.config.device_files(id, &self.pki.device(id));
        let credentials: Arc<dyn CredentialsSource> =
            keys::source(self.folder.path(), &certificate, key.to_str().unwrap()).unwrap();
        DeviceConfig {
            service: Endpoint::new("localhost", self.service.port(), roots.clone()).unwrap(),
            hub_roots: roots,
            credentials,
            state: self.folder.path().join(id),
            policy: Policy::default(),
            register: RegisterTemplate::default(),
            mqtt,
            timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            outbox: OutboxLimits::default(),
            warn_before: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

async fn connected(device: &Device) {
    let mut handle = device.handle().clone();
    timeout(PATIENCE, async {
        while !handle.status().on_hub {
            handle.status_changed().await.expect("the device runs");
        }
    })
    .await
    .unwrap_or_else(|_| panic!("not on a hub: {:?}", device.handle().status()));
}

async fn update(device: &mut Device) -> Update {
    timeout(PATIENCE, device.updates.recv()).await.expect("an update in time").expect("the device runs")
}

fn properties(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

#[test]
fn a_rust_device_registers_and_lives_on_its_hub() {
    for mqtt in [MqttVersion::V5, MqttVersion::V311] {
        let world = World::new();
        let service = &world.service;
        runtime().block_on(async {
            let mut device = Device::start(world.config("dev-1", mqtt)).expect("it starts");
            connected(&device).await;
            let handle = device.handle().clone();

            // The twin as it is at first.
            assert!(matches!(update(&mut device).await, Update::Desired(desired) if desired.version == 1));

            handle.report(properties(json!({"firmware": "1.4"}))).await.expect("kept");
            let body = Telemetry { properties: "site=lisbon".into(), body: b"21.5".to_vec(), at: Timestamp::now() };
            handle.publish(body).await.expect("kept");
            until(|| service.managed(&["twin", "show", "dev-1"])["properties"]["reported"]["firmware"] == "1.4");

            service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":5}"#]);
            let Update::Desired(desired) = update(&mut device).await else { panic!("no desired change") };
            assert_eq!((desired.version, desired.properties["interval"].as_u64()), (2, Some(5)));
            device.stop().await;
        });
    }
}

#[test]
fn a_method_call_is_answered_by_the_program_and_by_the_library_when_it_is_dropped() {
    let world = World::new();
    let service = &world.service;
    runtime().block_on(async {
        let mut device = Device::start(world.config("dev-1", MqttVersion::V5)).expect("it starts");
        connected(&device).await;
        assert!(matches!(update(&mut device).await, Update::Desired(_)));
        let called = invoked(service, "dev-1", "blink");
        let Update::Method(call) = update(&mut device).await else { panic!("no call") };
        assert_eq!((call.name.as_str(), &*call.payload), ("blink", &br#"{"times":3}"#[..]));
        call.answer(200, br#"{"blinked":3}"#.to_vec());
        let answer = called.await.expect("a thread");
        assert_eq!((&answer["status"], &answer["payload"]["blinked"]), (&json!(200), &json!(3)), "{answer}");

        let called = invoked(service, "dev-1", "blink");
        let Update::Method(call) = update(&mut device).await else { panic!("no call") };
        drop(call);
        assert_eq!(called.await.expect("a thread")["status"], 500);
        device.stop().await;
    });
}

#[test]
fn a_message_that_is_not_accepted_stays_in_the_hub() {
    let world = World::new();
    let service = &world.service;
    runtime().block_on(async {
        let mut device = Device::start(world.config("dev-1", MqttVersion::V5)).expect("it starts");
        connected(&device).await;
        assert!(matches!(update(&mut device).await, Update::Desired(_)));
        for body in ["first", "second"] {
            service.managed(&["device", "send", "dev-1", body]);
        }
        device.handle().want_messages(true).await.unwrap();
        let Update::Message(first) = update(&mut device).await else { panic!("no message") };
        let Update::Message(second) = update(&mut device).await else { panic!("no message") };
        assert_eq!((&*first.body, &*second.body), (&b"first"[..], &b"second"[..]));
        first.accept();
        // Dropped: it is offered again to whoever asks next.
        drop(second);
        device.handle().want_messages(false).await.unwrap();
        device.handle().want_messages(true).await.unwrap();
        let Update::Message(second) = update(&mut device).await else { panic!("no message") };
        assert_eq!(&*second.body, b"second");
        drop(second);
        device.stop().await;

        // And also after a restart. What was accepted right before it may come again: at least once.
        let mut device = Device::start(world.config("dev-1", MqttVersion::V5)).expect("it starts");
        device.handle().want_messages(true).await.unwrap();
        loop {
            let Update::Message(again) = update(&mut device).await else { panic!("no message") };
            let body = again.body.clone();
            again.accept();
            if body == "second" {
                break;
            }
            assert_eq!(body, "first");
        }
        device.stop().await;
    });
}

#[test]
fn a_twin_whose_json_is_far_larger_than_its_properties_is_read() {
    let world = World::new();
    let service = &world.service;
    // Each character is one byte of the limits, and six in JSON.
    let full = |names: std::ops::Range<u8>| -> serde_json::Map<String, Value> {
        names.map(|name| (format!("p{name}"), json!("\u{1}".repeat(4000)))).collect()
    };
    runtime().block_on(async {
        let mut device = Device::start(world.config("dev-1", MqttVersion::V5)).expect("it starts");
        connected(&device).await;
        assert!(matches!(update(&mut device).await, Update::Desired(desired) if desired.version == 1));
        device.handle().report(full(0..7)).await.expect("kept");
        let desired = Value::Object(full(0..4)).to_string();
        service.managed(&["twin", "update", "dev-1", "--desired", &desired]);
        assert!(matches!(update(&mut device).await, Update::Desired(desired) if desired.version == 2));
        until(|| service.managed(&["twin", "show", "dev-1"])["properties"]["reported"]["p6"].is_string());
        device.stop().await;
        service.managed(&["twin", "update", "dev-1", "--desired", r#"{"last":true}"#]);

        let mut device = Device::start(world.config("dev-1", MqttVersion::V5)).expect("it starts");
        let Update::Desired(desired) = update(&mut device).await else { panic!("no desired change") };
        assert_eq!((desired.version, desired.properties.len()), (3, 5));
        device.stop().await;
    });
}

/// Calls a method meanwhile; gives the answer.
fn invoked(service: &Service, device: &str, method: &str) -> JoinHandle<Value> {
    let socket = service.config.dir().join("admin.sock");
    let arguments =
        ["device", "invoke", device, method, "--payload", r#"{"times":3}"#, "--output", "json"].map(str::to_owned);
    tokio::task::spawn_blocking(move || {
        let ended = run(std::process::Command::new(binary("firsthop")).args(arguments).arg("--socket").arg(socket));
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {ended:?}"))
    })
}

/// Waits until something holds that only asking tells.
fn until(holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it never holds");
    }
}
