//! The twin and direct methods, as a device sees them.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::domain::ports::{MethodCall, MethodOutcome};

const GET: &str = "$iothub/twin/GET/?$rid=r1";
const REPORT: &str = "$iothub/twin/PATCH/properties/reported/?$rid=r2";

fn value(message: &Message) -> Value {
    serde_json::from_str(&message.payload).unwrap()
}

#[tokio::test]
async fn the_twin_is_answered_after_the_puback_even_without_a_subscription() {
    let stage = Stage::new().await;
    for hello in [v311(), v5()] {
        let mut client = stage.connect(&hello).await;
        client.publish(GET, " ", 1, 9).await;
        assert_eq!(client.frame().await.unwrap().head, 0x40, "PUBACK first");
        let answer = client.message().await;
        assert_eq!((answer.topic.as_str(), answer.qos), ("$iothub/twin/res/200/?$rid=r1", 0));
        let twin = json!({"desired": {"interval": 30, "$version": 1}, "reported": {"$version": 1}});
        assert_eq!(value(&answer), twin);
    }
}

#[tokio::test]
async fn answers_come_at_the_granted_qos_on_the_exact_topic_as_well() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    assert_eq!(client.subscribe(&[("$iothub/twin/res/200/?$rid=r1", 2)]).await, [1]);
    client.publish(GET, "", 0, 0).await;
    assert_eq!(client.message().await.qos, 1);
    client.publish("$iothub/twin/GET/?$rid=r3", "", 0, 0).await;
    assert_eq!(client.message().await.qos, 0, "another request's answer");
}

#[tokio::test]
async fn patches_are_durable_and_answered_with_their_version_in_order() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[("$iothub/twin/res/#", 0)]).await;
    for at in 2..6 {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={at}");
        client.publish(&topic, &format!(r#"{{"step":{at}}}"#), 0, 0).await;
    }
    for at in 2..6 {
        assert_eq!(client.message().await.topic, format!("$iothub/twin/res/204/?$rid={at}&$version={at}"));
    }
    assert_eq!(stage.world.hub.twin(&dev_1()).unwrap().reported.properties["step"], 5);
}

async fn large_twin(stage: &Stage) {
    stage.desire((0..8).map(|at| (format!("k{at}"), Value::from("x".repeat(4000)))).collect()).await;
}

#[tokio::test]
async fn requests_wait_while_answers_are_not_read() {
    let stage = Stage::new().await;
    large_twin(&stage).await;
    let mut client = stage.connect(&v311()).await;
    for _ in 0..50 {
        client.publish(GET, "", 0, 0).await;
    }
    client.publish(REPORT, r#"{"a":1}"#, 0, 0).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.world.hub.twin(&dev_1()).unwrap().reported.version, 1, "it waits behind what was asked before");
    for _ in 0..50 {
        assert_eq!(client.message().await.topic, "$iothub/twin/res/200/?$rid=r1");
    }
    assert_eq!(client.message().await.topic, "$iothub/twin/res/204/?$rid=r2&$version=2");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_over_does_not_wait_until_its_client_reads() {
    let stage = Stage::new().await;
    large_twin(&stage).await;
    let free = || stage.door.endpoint.places.available_permits();
    let all = free();
    let mut deaf = stage.connect(&v311()).await;
    for _ in 0..50 {
        deaf.publish(GET, "", 0, 0).await;
    }
    let begun = tokio::time::Instant::now();
    let mut newcomer = stage.connect(&v311()).await;
    newcomer.ping().await;
    while free() < all - 1 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_refused_request_says_why_in_the_form_that_sdks_look_for() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    for (topic, payload, status) in
        [(REPORT.to_owned(), "[]", 400), (format!("{REPORT}&$version=7"), "{}", 412), (REPORT.to_owned(), "{", 400)]
    {
        client.publish(&topic, payload, 0, 0).await;
        let answer = client.message().await;
        assert_eq!(answer.topic, format!("$iothub/twin/res/{status}/?$rid=r2"));
        let body = value(&answer);
        assert!(body["errorCode"].is_u64() && body["message"].is_string() && body["trackingId"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_request_without_a_rid_is_refused_and_ends_an_old_client() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v5()).await;
    client.publish("$iothub/twin/GET/", "", 1, 3).await;
    let puback = client.frame().await.unwrap();
    assert_eq!((puback.head, puback.body[2]), (0x40, 0x90));
    let mut old = stage.connect(&v311()).await;
    old.publish("$iothub/twin/GET/?$rid=", "", 1, 3).await;
    assert_eq!(old.frame().await, None);
}

#[tokio::test]
async fn desired_changes_are_pushed_with_their_version() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[("$iothub/twin/PATCH/properties/desired/#", 1)]).await;
    stage.desire(json!({"interval": 60})).await;
    let change = client.message().await;
    assert_eq!((change.topic.as_str(), change.qos), ("$iothub/twin/PATCH/properties/desired/?$version=2", 1));
    assert_eq!(value(&change), json!({"interval": 60, "$version": 2}));
}

#[tokio::test]
async fn a_method_is_called_and_its_answer_comes_back() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[("$iothub/methods/POST/#", 1)]).await;
    let call = MethodCall {
        name: "reboot".into(),
        payload: json!({"delay": 1}),
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::ZERO,
    };
    let answered = tokio::spawn({
        let hub = stage.world.hub.clone();
        async move { hub.invoke(dev_1(), call).await }
    });
    let called = client.message().await;
    assert_eq!(value(&called), json!({"delay": 1}));
    let rid = called.topic.strip_prefix("$iothub/methods/POST/reboot/?$rid=").unwrap().to_owned();
    client.publish(&format!("$iothub/methods/res/200/?$rid={rid}"), r#"{"ok":true}"#, 1, 4).await;
    let outcome = answered.await.unwrap().unwrap();
    assert_eq!(outcome, MethodOutcome::Answered { status: 200, payload: json!({"ok": true}) });
}

#[tokio::test]
async fn what_needs_no_answer_is_acknowledged_to_the_clients_tcp_at_once() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v311()).await;
    client.subscribe(&[("$iothub/twin/res/#", 1)]).await;
    client.publish(GET, "", 1, 9).await;
    client.frame().await;
    let answer = client.message().await;
    let before = client.acknowledged();
    client.puback(answer.id).await;
    while client.acknowledged() == before {
        tokio::task::yield_now().await;
    }
}
