//! A device on a hub that does what MQTT allows, and what few hubs do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use firsthop_agent::device::{Device, DeviceConfig, RegisterTemplate, Status, Update};
use firsthop_agent::disk::{Disk, OutboxLimits, Telemetry};
use firsthop_agent::flow::{Assignment, Known, Policy};
use firsthop_agent::keys::CredentialsSource;
use firsthop_agent::{Credentials, MqttVersion, SetupError};
use firsthop_protocol::{DeviceId, Timestamp};
use tempfile::TempDir;

use crate::broker::{Broker, Session, let_time_pass};
use crate::pki::{AUTHORITY, DEVICE};

/// The credentials of the test's device, which never change.
#[derive(Debug)]
struct Fixed;

impl CredentialsSource for Fixed {
    fn load(&self) -> Result<Credentials, SetupError> {
        Ok(DEVICE.credentials())
    }

    fn changed(&self) -> bool {
        false
    }
}

/// Credentials that are renewed at some time.
#[derive(Debug, Default)]
struct Renewed(AtomicBool);

impl CredentialsSource for Renewed {
    fn load(&self) -> Result<Credentials, SetupError> {
        let years = if self.0.load(Ordering::Relaxed) { 1975..3000 } else { 1975..2100 };
        Ok(AUTHORITY.issue_dated("Dev-1", &[], years).credentials())
    }

    fn changed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A device that was assigned to the broker before.
async fn device_of(broker: &Broker, set: impl FnOnce(&mut DeviceConfig), telemetry: &[&str]) -> (Device, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DeviceConfig {
        service: broker.endpoint(),
        hub_roots: AUTHORITY.roots(),
        credentials: Arc::new(Fixed),
        state: folder.path().join("state"),
        policy: Policy { mode: firsthop_agent::flow::Mode::OnErrorOnly, ..Policy::default() },
        register: RegisterTemplate::default(),
        mqtt: MqttVersion::V5,
        timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(60),
        outbox: OutboxLimits::default(),
        warn_before: Duration::ZERO,
    };
    set(&mut config);
    let (disk, _) = Disk::start(&config.state, config.outbox).unwrap();
    let proven = Assignment {
        hub: format!("127.0.0.1:{}", broker.port),
        device_id: DeviceId::parse("dev-1").unwrap(),
        etag: None,
        substatus: None,
        told: Timestamp::from_secs(1),
        asked_with: String::new(),
    };
    disk.save_known(Known { proven: Some(proven), ..Known::default() }).await.unwrap();
    for body in telemetry {
        let message =
            Telemetry { properties: String::new(), body: body.as_bytes().into(), at: Timestamp::from_secs(1) };
        disk.store(message).await.unwrap();
    }
    disk.close().await;
    (Device::start(config).unwrap(), folder)
}

/// The packet id of a publication, and the whole packet.
async fn publication(session: &mut Session) -> (u16, Vec<u8>) {
    let frame = session.frame().await;
    assert_eq!(frame[0], 0x32, "a publication with QoS 1: {frame:x?}");
    let topic = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
    let id = u16::from_be_bytes([frame[4 + topic], frame[5 + topic]]);
    (id, frame.to_vec())
}

#[tokio::test]
async fn what_a_hub_sends_before_it_acknowledges_the_subscriptions_is_not_lost() {
    for mqtt in [MqttVersion::V311, MqttVersion::V5] {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            let (packet_id, filters) = session.subscribe().await;
            session.publish("$iothub/methods/POST/blink/?$rid=1", b"{}", Some(7)).await;
            session.suback(packet_id, &vec![1; filters.len()]).await;
            // The twin is asked for, too, in whichever order.
            let mut acknowledged = false;
            while !acknowledged {
                acknowledged = session.frame().await[..] == b"\x40\x02\x00\x07"[..];
            }
        })
        .await;
        let (mut device, _folder) = device_of(&broker, |config| config.mqtt = mqtt, &[]).await;
        broker.finished().await;
        let Some(Update::Method(call)) = device.updates.recv().await else { panic!("no call") };
        assert_eq!(call.name, "blink");
        device.stop().await;
    }
}

#[tokio::test]
async fn no_more_is_published_than_the_hub_takes_at_a_time() {
    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        // Receive Maximum (0x21): two.
        session.send(b"\x20\x06\x00\x00\x03\x21\x00\x02").await;
        session.subscribed().await;
        let mut seen = Vec::new();
        let mut open = vec![publication(&mut session).await, publication(&mut session).await];
        while seen.len() < 7 {
            // What it may not send would come before this acknowledgement.
            session.publish("elsewhere", b"", Some(9)).await;
            assert_eq!(&session.frame().await[..], b"\x40\x02\x00\x09");
            let (packet_id, packet) = open.remove(0);
            seen.push(packet);
            session.puback(packet_id).await;
            if seen.len() + open.len() < 8 {
                open.push(publication(&mut session).await);
            }
        }
        let telemetry: Vec<_> = seen.iter().filter(|packet| packet.windows(7).any(|it| it == b"/events")).collect();
        assert!(telemetry.len() >= 6);
        assert!(telemetry.iter().map(|packet| packet.last()).is_sorted());
    })
    .await;
    let (device, _folder) = device_of(&broker, |_| {}, &["1", "2", "3", "4", "5", "6", "7"]).await;
    broker.finished().await;
    device.stop().await;
}

/// Reads a request for the twin and acknowledges it; where its answer goes.
async fn asked_for_the_twin(session: &mut Session) -> String {
    let (packet_id, packet) = publication(session).await;
    session.puback(packet_id).await;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let topic = str::from_utf8(&packet[4..4 + length]).unwrap();
    format!("$iothub/twin/res/200/{}", topic.strip_prefix("$iothub/twin/GET/").unwrap())
}

#[tokio::test]
async fn a_twin_that_was_read_before_a_change_does_not_undo_the_change() {
    let broker = Broker::start(|mut session| async move {
        let changed = |version: u32| format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        session.welcome().await;
        session.subscribed().await;
        let answer = asked_for_the_twin(&mut session).await;
        session.publish(&answer, br#"{"desired":{"a":1,"$version":3},"reported":{}}"#, None).await;
        // Changes are missing, so the twin is read again. One comes meanwhile.
        session.publish(&changed(9), br#"{"a":9}"#, None).await;
        let answer = asked_for_the_twin(&mut session).await;
        session.publish(&changed(4), br#"{"a":4}"#, None).await;
        session.publish(&answer, br#"{"desired":{"a":1,"$version":3},"reported":{}}"#, None).await;
        let answer = asked_for_the_twin(&mut session).await;
        session.publish(&answer, br#"{"desired":{"a":9,"$version":9},"reported":{}}"#, None).await;
        let _ = session.frame().await;
    })
    .await;
    let (mut device, _folder) = device_of(&broker, |_| {}, &[]).await;
    let mut versions = Vec::new();
    while versions.last() != Some(&9) {
        let Some(Update::Desired(desired)) = device.updates.recv().await else { panic!("no desired properties") };
        versions.push(desired.version);
    }
    assert!(versions.is_sorted(), "{versions:?}");
    device.stop().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_told_of_while_the_connection_lasts() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let answer = asked_for_the_twin(&mut session).await;
        session.publish(&answer, br#"{"desired":{"$version":1},"reported":{}}"#, None).await;
        let _ = session.frame().await;
    })
    .await;
    let credentials = Arc::new(Renewed::default());
    let source = credentials.clone();
    let set = |config: &mut DeviceConfig| (config.credentials, config.keep_alive) = (source, Duration::ZERO);
    let (mut device, _folder) = device_of(&broker, set, &[]).await;
    let Some(Update::Desired(_)) = device.updates.recv().await else { panic!("no desired properties") };
    let mut handle = device.handle().clone();
    let before = handle.status().certificate.unwrap().not_after;
    credentials.0.store(true, Ordering::Relaxed);
    let_time_pass().await;
    while handle.status().certificate.unwrap().not_after == before {
        let status = handle.status_changed().await.unwrap();
        assert!(status.on_hub);
    }
    tokio::time::resume();
    device.stop().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_report_that_is_larger_than_the_hub_takes_is_dropped_for_good_and_shown() {
    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        // Maximum Packet Size (0x27): 1000 bytes.
        session.send(b"\x20\x08\x00\x00\x05\x27\x00\x00\x03\xe8").await;
        session.subscribed().await;
        let answer = asked_for_the_twin(&mut session).await;
        session.publish(&answer, br#"{"desired":{"$version":1},"reported":{}}"#, None).await;
        let _ = session.frame().await;
    })
    .await;
    let (mut device, folder) = device_of(&broker, |_| {}, &[]).await;
    let Some(Update::Desired(_)) = device.updates.recv().await else { panic!("no desired properties") };
    let mut handle = device.handle().clone();
    let report = [("long".to_owned(), "x".repeat(2000).into())].into_iter().collect();
    handle.report(report).await.unwrap();
    let shown = |status: &Status| status.failures.iter().any(|failure| failure.message.contains("larger than the hub"));
    while !shown(&handle.status()) {
        handle.status_changed().await.unwrap();
    }
    assert!(!handle.status().unacknowledged_report);
    device.stop().await;
    let (_, kept) = Disk::start(&folder.path().join("state"), OutboxLimits::default()).unwrap();
    assert!(kept.twin.unacknowledged.is_empty());
    broker.finished().await;
}
