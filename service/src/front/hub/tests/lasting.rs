//! Subscriptions that outlive the connection, and the service.

use serde_json::json;

use super::*;

const FILTERS: [(&str, u8); 3] =
    [("$iothub/twin/PATCH/properties/desired/#", 1), ("$iothub/twin/res/#", 0), ("devices/dev-1/log/#", 1)];

async fn present(stage: &Stage, hello: &Hello) -> (Client, bool) {
    let (client, connack) = Client::connect(&stage.door, &stage.chain, hello).await;
    assert_eq!(connack.body[1], 0, "{connack:?}");
    (client, connack.body[0] == 1)
}

#[tokio::test]
async fn a_client_with_a_lasting_session_need_not_subscribe_again_even_after_a_restart() {
    for hello in [v311().lasting(), v5().lasting()] {
        let mut stage = Stage::new().await;
        let (mut client, known) = present(&stage, &hello).await;
        assert!(!known);
        assert_eq!(client.subscribe(&FILTERS).await, [1, 0, 1]);
        drop(client);
        stage.restart();
        let (mut client, known) = present(&stage, &hello).await;
        assert!(known, "session present");
        stage.desire(json!({"interval": 60})).await;
        assert_eq!(client.message().await.qos, 1);
        client.publish("devices/dev-1/log/x", "hello", 0, 0).await;
        assert_eq!(client.message().await.payload, "hello");
    }
}

#[tokio::test]
async fn a_clean_session_forgets_what_an_earlier_one_kept() {
    let stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v311().lasting()).await;
    client.subscribe(&FILTERS).await;
    assert!(!present(&stage, &v311()).await.1);
    assert!(!present(&stage, &v311().lasting()).await.1, "it is forgotten for good");
}

#[tokio::test]
async fn nothing_is_kept_of_a_clean_session() {
    let stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v311()).await;
    client.subscribe(&FILTERS).await;
    assert!(!present(&stage, &v311().lasting()).await.1);
    assert!(stage.world.hub.device(&dev_1()).unwrap().subscriptions.is_empty());
}

#[tokio::test]
async fn a_subscription_that_cannot_be_kept_is_refused() {
    let stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v311().lasting()).await;
    stage.world.store.set_unavailable(true);
    assert_eq!(client.subscribe(&FILTERS).await, [0x80, 0x80, 0x80]);
    stage.world.store.set_unavailable(false);
    assert_eq!(client.subscribe(&FILTERS).await, [1, 0, 1]);
}

#[tokio::test]
async fn what_is_kept_of_a_device_is_bounded() {
    let stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v5().lasting()).await;
    let long = format!("devices/dev-1/{}", "x".repeat(8 * 1024));
    assert_eq!(client.subscribe(&[(&long, 1)]).await, [0x80]);
    assert_eq!(client.subscribe(&FILTERS).await, [1, 0, 1], "it has no part in the session");
    let (mut client, _) = present(&stage, &v5()).await;
    assert_eq!(client.subscribe(&[(&long, 1)]).await, [1], "nothing is kept of a session that does not last");
}

#[tokio::test]
async fn a_limit_that_has_become_smaller_does_not_keep_a_client_out() {
    let mut stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v311().lasting()).await;
    client.subscribe(&FILTERS).await;
    let limits = limits::Config { subscriptions: 1, ..limits::Config::default() };
    stage.door = HubDoor::new(limits, stage.world.hub.clone(), bus(), "hub.example".into(), 8884);
    assert!(present(&stage, &v311().lasting()).await.1);
}

#[tokio::test]
async fn a_client_that_leaves_for_good_is_forgotten() {
    let stage = Stage::new().await;
    let (mut client, _) = present(&stage, &v5().lasting()).await;
    client.subscribe(&FILTERS).await;
    // DISCONNECT with Session Expiry Interval 0.
    client.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    assert_eq!(client.frame().await, None);
    while !stage.world.hub.device(&dev_1()).unwrap().subscriptions.is_empty() {
        tokio::task::yield_now().await;
    }
}
