//! The command queue: order, expiry, and messages that are never acknowledged.

use firsthop_protocol::ErrorCode;

use super::*;
use crate::domain::ports::{DeviceBound, Enqueued, HubError};

fn message(payload: &str) -> DeviceBound {
    DeviceBound { properties: String::new(), payload: payload.into(), expires: None }
}

async fn with_queue(messages: u32) -> World {
    let mut told = identity("dev-1");
    told.resources.command_queue.messages = messages;
    World::with(told).await
}

async fn enqueue(world: &World, message: DeviceBound) -> u64 {
    match world.hub.enqueue(dev_1(), message).await {
        Ok(Enqueued::Done(number)) => number,
        other => panic!("{other:?}"),
    }
}

async fn payloads(world: &World, after: Option<u64>, limit: usize) -> Vec<String> {
    let waiting = world.hub.waiting(&dev_1(), after, limit).await.unwrap();
    waiting.into_iter().map(|(_, message)| String::from_utf8(message.payload).unwrap()).collect()
}

#[tokio::test]
async fn messages_wait_in_their_order_until_they_are_acknowledged() {
    let world = with_queue(10).await;
    let mut numbers = Vec::new();
    for payload in ["a", "b", "c"] {
        numbers.push(enqueue(&world, message(payload)).await);
    }
    assert_eq!(payloads(&world, None, 2).await, ["a", "b"]);
    assert_eq!(payloads(&world, Some(numbers[1]), 2).await, ["c"]);
    // A new session is sent them again.
    world.hub.complete(&dev_1(), vec![numbers[0]]).await.unwrap();
    assert_eq!(payloads(&world, None, 9).await, ["b", "c"]);
    world.hub.complete(&dev_1(), numbers).await.unwrap();
    assert!(payloads(&world, None, 9).await.is_empty());
}

#[tokio::test]
async fn a_live_session_is_told_once_that_messages_wait() {
    let world = with_queue(10).await;
    let (post, _) = world.connect();
    for payload in ["a", "b"] {
        enqueue(&world, message(payload)).await;
    }
    assert_eq!(mail(&post), [HubMail::Queued]);
}

#[tokio::test]
async fn an_expired_message_is_never_sent_and_makes_room() {
    let world = with_queue(2).await;
    let soon = world.clock.now().plus(Duration::from_secs(10));
    enqueue(&world, DeviceBound { expires: Some(soon), ..message("soon") }).await;
    enqueue(&world, message("default")).await;
    assert_eq!(world.hub.enqueue(dev_1(), message("full")).await, Ok(Enqueued::Full));
    world.clock.forward(Duration::from_secs(10));
    enqueue(&world, message("room")).await;
    assert_eq!(payloads(&world, None, 9).await, ["default", "room"]);
    world.clock.forward(Duration::from_secs(3600));
    assert!(payloads(&world, None, 9).await.is_empty());
    let state = world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    assert!(state.queue.is_empty(), "they are gone from the store too");
}

#[tokio::test]
async fn expired_messages_in_front_do_not_hide_those_behind() {
    let world = with_queue(50).await;
    let soon = world.clock.now().plus(Duration::from_secs(10));
    for _ in 0..20 {
        enqueue(&world, DeviceBound { expires: Some(soon), ..message("soon") }).await;
    }
    enqueue(&world, message("later")).await;
    world.clock.forward(Duration::from_secs(10));
    assert_eq!(payloads(&world, None, 1).await, ["later"]);
}

#[tokio::test]
async fn a_message_that_is_never_acknowledged_is_given_up_after_ten_times() {
    let world = with_queue(2).await;
    enqueue(&world, message("poison")).await;
    for n in 1..=10 {
        let waiting = world.hub.waiting(&dev_1(), None, 9).await.unwrap();
        assert_eq!(waiting[0].1.deliveries, n);
    }
    assert!(payloads(&world, None, 9).await.is_empty());
}

#[tokio::test]
async fn a_message_that_could_not_be_sent_is_refused_with_the_reason() {
    let world = with_queue(2).await;
    let now = world.clock.now();
    for (bad, words) in [
        (DeviceBound { payload: vec![0; 64 * 1024 + 1], ..message("") }, "payload: 65537 bytes"),
        (DeviceBound { properties: "a".repeat(8193), ..message("") }, "properties: 8193 bytes"),
        (DeviceBound { properties: "a=b c".into(), ..message("") }, "' ' must be url-encoded"),
        (DeviceBound { properties: "a=#".into(), ..message("") }, "'#' must be url-encoded"),
        (DeviceBound { expires: Some(now), ..message("") }, "has passed already"),
        (DeviceBound { expires: Some(now.plus(Duration::from_secs(8 * 86_400))), ..message("") }, "more than 7 days"),
    ] {
        match world.hub.enqueue(dev_1(), bad).await {
            Err(HubError::Refused { why, .. }) => assert!(why.contains(words), "{why}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_fenced_is_neither_sent_nor_acknowledged() {
    let world = with_queue(2).await;
    let number = enqueue(&world, message("a")).await;
    world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    assert_eq!(world.hub.waiting(&dev_1(), None, 9).await.unwrap_err().code, ErrorCode::DeviceMoving);
    assert_eq!(world.hub.complete(&dev_1(), vec![number]).await.unwrap_err().code, ErrorCode::DeviceMoving);
}

#[tokio::test]
async fn an_event_is_kept_only_where_there_is_room_for_any() {
    let world = with_queue(2).await;
    let before = world.store.writes();
    world.hub.keep_event(&dev_1(), "", b"1").await.unwrap();
    assert_eq!(world.store.writes(), before, "none are kept unless the enrollment says so");
    let mut told = identity("dev-2");
    (told.resources.events.messages, told.resources.events.bytes) = (5, 4);
    world.assign(told).await;
    let device = DeviceId::parse("dev-2").unwrap();
    for payload in ["1", "12345", "2"] {
        world.hub.keep_event(&device, "", payload.as_bytes()).await.unwrap();
    }
    let kept = world.hub.events(device, None, 9).await.unwrap();
    assert_eq!(kept.iter().map(|(_, event)| event.payload.as_slice()).collect::<Vec<_>>(), [b"1", b"2"]);
}
