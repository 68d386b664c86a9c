//! What waits for the disk, and what goes on meanwhile.

use super::*;
use crate::hub::tests::store::FakeStore;

/// A hub whose store writes when it is let.
async fn gated() -> Stage {
    let chain = chain("dev-1");
    let mut identity = known_by(&chain, "dev-1");
    identity.resources.events = EventStorage { messages: 10, bytes: 1024 };
    let world = World::over(FakeStore::gated());
    // The device is provisioned and released.
    world.store.let_through(2);
    world.assign(identity).await;
    Stage { door: door(&world), chain, world }
}

#[tokio::test]
async fn telemetry_is_acknowledged_when_it_is_durable_and_the_session_goes_on_meanwhile() {
    let stage = gated().await;
    let mut client = stage.connect(&v311()).await;
    client.publish("devices/dev-1/messages/events/", "21.5", 1, 3).await;
    client.ping().await;
    stage.world.store.let_through(1);
    assert_eq!(client.frame().await, Some(Frame { head: 0x40, body: vec![0, 3] }));
}

#[tokio::test]
async fn a_patch_is_answered_when_it_is_durable_and_others_wait_their_turn_behind_it() {
    let stage = gated().await;
    let mut client = stage.connect(&v311()).await;
    for at in 2..4 {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={at}");
        client.publish(&topic, &format!(r#"{{"step":{at}}}"#), 0, 0).await;
    }
    client.publish("$iothub/twin/GET/?$rid=1", "", 0, 0).await;
    assert_eq!(client.message().await.topic, "$iothub/twin/res/200/?$rid=1", "a look does not wait");
    for at in 2..4 {
        stage.world.store.let_through(1);
        assert_eq!(client.message().await.topic, format!("$iothub/twin/res/204/?$rid={at}&$version={at}"));
    }
}

#[tokio::test]
async fn as_many_requests_wait_as_a_client_may_have_under_way_and_the_rest_in_the_socket() {
    let stage = gated().await;
    let under_way = limits::Config::default().in_flight;
    let mut client = stage.connect(&v311()).await;
    for at in 0..under_way {
        client.publish("devices/dev-1/messages/events/", "x", 1, at + 1).await;
    }
    client.send(&[0xc0, 0]).await;
    stage.world.store.let_through(1);
    assert_eq!(client.frame().await.map(|frame| frame.head), Some(0x40), "a place is free");
    assert_eq!(client.frame().await.map(|frame| frame.head), Some(0xd0), "so the next packet is read");
}

fn subscribe(filter: &str) -> Vec<u8> {
    [&[0x82, filter.len() as u8 + 5, 0, 7, 0, filter.len() as u8], filter.as_bytes(), &[1]].concat()
}

/// All tasks go on as far as they can.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_that_was_taken_over_no_longer_changes_what_lasts() {
    let stage = gated().await;
    let mut old = stage.connect(&v311().lasting()).await;
    old.send(&[subscribe("devices/dev-1/a"), subscribe("devices/dev-1/b")].concat()).await;
    settle().await;
    let mut new = stage.connect(&v311().lasting()).await;
    new.send(&subscribe("devices/dev-1/c")).await;
    settle().await;
    stage.world.store.let_through(10);
    assert_eq!(new.frame().await.map(|frame| frame.head), Some(0x90));
    while old.frame().await.is_some() {}
    let kept = stage.world.hub.device(&dev_1()).unwrap().subscriptions;
    assert!(kept.iter().any(|kept| kept.filter == "devices/dev-1/c"), "{kept:?}");
}
