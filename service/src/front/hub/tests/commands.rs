//! Device-bound messages.

use super::*;

const FILTER: &str = "devices/dev-1/messages/devicebound/#";

async fn until_waiting(stage: &Stage, count: usize) {
    while stage.waiting() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waited_for_the_device_comes_in_order_and_leaves_the_queue_when_acknowledged() {
    let stage = Stage::new().await;
    for at in 0..3 {
        stage.enqueue(&format!("%24.mid={at}"), &at.to_string()).await;
    }
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[(FILTER, 1)]).await;
    stage.enqueue("", "3").await;
    for at in 0..4 {
        let message = client.message().await;
        assert_eq!((message.payload, message.qos, message.dup), (at.to_string(), 1, false));
        if at == 0 {
            assert_eq!(message.topic, "devices/dev-1/messages/devicebound/%24.mid=0");
        }
        client.puback(message.id).await;
    }
    until_waiting(&stage, 0).await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_marked_as_such() {
    let stage = Stage::new().await;
    stage.enqueue("", "a").await;
    stage.enqueue("", "b").await;
    let mut client = stage.connect(&v311().lasting()).await;
    client.subscribe(&[(FILTER, 1)]).await;
    let first = client.message().await;
    client.message().await;
    client.puback(first.id).await;
    drop(client);
    until_waiting(&stage, 1).await;
    let (mut client, _) = Client::connect(&stage.door, &stage.chain, &v311().lasting()).await;
    let again = client.message().await;
    assert_eq!((again.payload.as_str(), again.dup), ("b", true));
}

#[tokio::test]
async fn at_qos_0_a_message_is_done_when_it_is_written() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v5()).await;
    client.subscribe(&[(FILTER, 0)]).await;
    stage.enqueue("", "a").await;
    assert_eq!(client.message().await.qos, 0);
    until_waiting(&stage, 0).await;
}

#[tokio::test]
async fn at_qos_0_a_message_waits_on_when_the_connection_did_not_take_it() {
    let stage = Stage::new().await;
    let free = || stage.door.endpoint.places.available_permits();
    let all = free();
    let mut client = stage.connect(&v5()).await;
    client.subscribe(&[(FILTER, 0)]).await;
    drop(client);
    stage.enqueue("", "a").await;
    while free() < all {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.waiting(), 1);
}

#[tokio::test]
async fn a_device_that_acknowledges_nothing_is_sent_a_window_and_no_more() {
    let stage = Stage::new().await;
    for at in 0..20 {
        stage.enqueue("", &at.to_string()).await;
    }
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[(FILTER, 1)]).await;
    let mut sent = Vec::new();
    for at in 0..16 {
        let message = client.message().await;
        assert_eq!(message.payload, at.to_string());
        sent.push(message.id);
    }
    client.ping().await;
    for id in sent {
        client.puback(id).await;
    }
    for at in 16..20 {
        let message = client.message().await;
        assert_eq!(message.payload, at.to_string(), "the rest comes when there is room");
    }
}

#[tokio::test]
async fn a_message_that_was_never_sent_is_not_given_up_with_one_that_was() {
    let stage = Stage::new().await;
    for payload in ["a", "b", "c"] {
        stage.enqueue("", payload).await;
    }
    let hello = Hello { receive_maximum: Some(1), ..v5().lasting() };
    let mut client = stage.connect(&hello).await;
    client.subscribe(&[(FILTER, 1)]).await;
    // The connection breaks before each acknowledgement, until the hub gives the first message up.
    let mut sent = client.message().await.payload;
    for _ in 0..20 {
        if sent != "a" {
            break;
        }
        drop(client);
        client = stage.connect(&hello).await;
        sent = client.message().await.payload;
    }
    assert_eq!(sent, "b");
}

#[tokio::test]
async fn a_device_that_does_not_listen_leaves_its_messages_in_the_queue() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    stage.enqueue("", "a").await;
    client.ping().await;
    assert_eq!(stage.waiting(), 1);
    client.subscribe(&[(FILTER, 1)]).await;
    assert_eq!(client.message().await.payload, "a");
}
