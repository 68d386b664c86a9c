//! Telemetry, ordinary topics, notices.

use super::*;
use crate::domain::enrollment::TopicGrants;
use crate::domain::ports::{Notice, SessionCommand};

const EVENTS: &str = "devices/dev-1/messages/events/";

async fn with_storage() -> Stage {
    Stage::with(|identity| identity.resources.events = EventStorage { messages: 10, bytes: 1024 }).await
}

#[tokio::test]
async fn telemetry_is_kept_before_it_is_acknowledged() {
    let stage = with_storage().await;
    let mut client = stage.connect(&v311()).await;
    client.publish(&format!("{EVENTS}%24.mid=7&site=a/"), "21.5", 1, 3).await;
    assert_eq!(client.frame().await.unwrap().head, 0x40);
    let events = stage.world.hub.events(dev_1(), None, 10).await.unwrap();
    let (_, event) = &events[0];
    assert_eq!((event.properties.as_str(), &event.payload[..]), ("%24.mid=7&site=a", &b"21.5"[..]));
}

#[tokio::test]
async fn telemetry_reaches_those_of_the_hub_who_may_read_it() {
    let stage = Stage::new().await;
    let chain = chain("backend");
    let grants = TopicGrants { publish: Vec::new(), subscribe: vec!["devices/+/messages/events/#".into()] };
    stage.world.assign(Identity { topics: grants, ..known_by(&chain, "backend") }).await;
    let (mut backend, _) = Client::connect(&stage.door, &chain, &Hello { client_id: "backend".into(), ..v311() }).await;
    assert_eq!(backend.subscribe(&[("devices/+/messages/events/#", 1), ("devices/dev-1/#", 1)]).await, [1, 0x80]);
    let mut client = stage.connect(&v311()).await;
    client.publish(&format!("{EVENTS}a=b"), "21.5", 1, 3).await;
    let message = backend.message().await;
    assert_eq!((message.topic.as_str(), message.payload.as_str()), ("devices/dev-1/messages/events/a=b", "21.5"));
}

#[tokio::test]
async fn what_a_hub_does_not_take_is_refused_with_a_reason() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v5()).await;
    for (topic, qos, head, code) in [
        (EVENTS, 2, 0x50, 0x83),
        ("$iothub/twin/GET/?$rid=1", 2, 0x50, 0x83),
        ("devices/dev-1/messages/events/a=%2", 1, 0x40, 0x90),
        ("devices/dev-1/messages/devicebound/x", 1, 0x40, 0x87),
        ("devices/dev-2/messages/events/", 1, 0x40, 0x87),
        ("$iothub/methods/POST/reboot/?$rid=1", 1, 0x40, 0x90),
    ] {
        client.publish(topic, "", qos, 3).await;
        let ack = client.frame().await.unwrap();
        assert_eq!((ack.head, ack.body[2]), (head, code), "{topic}");
    }
    assert_eq!(client.subscribe(&[("$iothub/#", 0), ("devices/dev-1/messages/devicebound/x", 0)]).await, [0x87, 0x87]);
}

#[tokio::test]
async fn the_rest_of_its_tree_is_the_devices_own() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    assert_eq!(client.subscribe(&[("devices/dev-1/log/#", 2)]).await, [1], "a hub grants QoS 1 at most");
    client.publish("devices/dev-1/log/x", "hello", 0, 0).await;
    assert_eq!(client.message().await.payload, "hello");
}

#[tokio::test]
async fn a_device_is_told_to_register_again() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[("$provisioning/notify", 1)]).await;
    let notice = Notice { reason: "drain".into(), not_before: None, spread: 30 };
    stage.world.hub.session(dev_1(), SessionCommand::Notify(notice)).await.unwrap();
    let message = client.message().await;
    assert_eq!(
        (message.topic.as_str(), message.payload.as_str()),
        ("$provisioning/notify", r#"{"reason":"drain","spread":30}"#)
    );
}

#[tokio::test]
async fn a_will_may_be_telemetry_and_is_kept_when_the_device_falls() {
    let stage = with_storage().await;
    let client = stage.connect(&Hello { will: Some(("devices/dev-1/messages/events/", b"gone")), ..v311() }).await;
    drop(client);
    loop {
        let events = stage.world.hub.events(dev_1(), None, 10).await.unwrap();
        if let Some((_, event)) = events.first() {
            assert_eq!(event.payload, b"gone");
            break;
        }
        tokio::task::yield_now().await;
    }
    let hello = Hello { will: Some(("devices/dev-1/messages/devicebound/x", b"")), ..v311() };
    assert_eq!(Client::connect(&stage.door, &stage.chain, &hello).await.1.body, [0, 5]);
}
