//! Direct methods: who waits for how long, and what stays behind.

use serde_json::json;

use super::*;
use crate::domain::ports::{HubError, HubFuture, MethodCall, MethodOutcome};

const LONG: Duration = Duration::from_secs(60);

fn call(name: &str) -> MethodCall {
    MethodCall { name: name.into(), payload: json!(null), timeout: LONG, connect_timeout: LONG }
}

fn invoke<'a>(world: &'a World, name: &str) -> HubFuture<'a, MethodOutcome> {
    world.hub.invoke(dev_1(), call(name))
}

/// Begins the call, which then waits.
fn begun<'a>(world: &'a World, name: &str) -> HubFuture<'a, MethodOutcome> {
    let mut invoking = invoke(world, name);
    assert!(invoking.as_mut().now_or_never().is_none());
    invoking
}

fn rids(post: &Post) -> Vec<u64> {
    let rid = |mail| match mail {
        HubMail::Method { rid, .. } => Some(rid),
        _ => None,
    };
    mail(post).into_iter().filter_map(rid).collect()
}

#[tokio::test]
async fn a_call_waits_for_the_device_to_connect_and_listen() {
    let world = World::with(identity("dev-1")).await;
    let (first, second) = (begun(&world, "a"), begun(&world, "b"));
    let (post, number) = world.connect();
    assert!(rids(&post).is_empty(), "it does not listen yet");
    world.hub.listen_to_methods(&dev_1(), number, true);
    let sent = rids(&post);
    assert_eq!(sent.len(), 2);
    // Answers may come in any order.
    assert!(world.hub.answer_method(&dev_1(), sent[1], 2, json!("b")));
    assert!(world.hub.answer_method(&dev_1(), sent[0], 1, json!("a")));
    assert_eq!(first.await, Ok(MethodOutcome::Answered { status: 1, payload: json!("a") }));
    assert_eq!(second.await, Ok(MethodOutcome::Answered { status: 2, payload: json!("b") }));
}

#[tokio::test]
async fn a_session_that_no_longer_listens_is_sent_nothing() {
    let world = World::with(identity("dev-1")).await;
    let (post, number) = world.connect();
    world.hub.listen_to_methods(&dev_1(), number, true);
    world.hub.listen_to_methods(&dev_1(), number, false);
    let waiting = begun(&world, "a");
    assert!(rids(&post).is_empty());
    drop(waiting);
    world.hub.listen_to_methods(&dev_1(), number, true);
    assert!(rids(&post).is_empty(), "a call that was given up is not sent");
}

#[tokio::test]
async fn a_call_ends_with_the_session_that_it_was_sent_to_and_is_not_sent_again() {
    let world = World::with(identity("dev-1")).await;
    let (post, number) = world.connect();
    world.hub.listen_to_methods(&dev_1(), number, true);
    let sent = begun(&world, "a");
    let rid = rids(&post)[0];
    let (post, number) = world.connect();
    assert_eq!(sent.await, Ok(MethodOutcome::TimedOut), "whether the device did it is not known");
    world.hub.listen_to_methods(&dev_1(), number, true);
    assert!(rids(&post).is_empty());
    assert!(!world.hub.answer_method(&dev_1(), rid, 200, json!(null)));
    let other = begun(&world, "b");
    world.hub.leave(&dev_1(), number);
    assert_eq!(other.await, Ok(MethodOutcome::TimedOut));
}

#[tokio::test]
async fn a_device_has_so_many_calls_and_no_more() {
    let world = World::with(identity("dev-1")).await;
    let mut waiting: Vec<_> = (0..10).map(|_| begun(&world, "a")).collect();
    assert_eq!(invoke(&world, "a").await, Ok(MethodOutcome::TooMany));
    waiting.pop();
    waiting.push(begun(&world, "a"));
    assert_eq!(invoke(&world, "a").await, Ok(MethodOutcome::TooMany));
}

#[tokio::test]
async fn only_the_device_that_was_asked_can_answer_and_not_before_it_was() {
    let world = World::with(identity("dev-1")).await;
    world.assign(identity("dev-2")).await;
    let waiting = begun(&world, "a");
    let guesses = |device: &DeviceId| (0..50).any(|rid| world.hub.answer_method(device, rid, 200, json!(null)));
    assert!(!guesses(&dev_1()), "it was not sent yet");
    let (_post, number) = world.connect();
    world.hub.listen_to_methods(&dev_1(), number, true);
    assert!(!guesses(&DeviceId::parse("dev-2").unwrap()));
    assert!(guesses(&dev_1()));
    assert!(matches!(waiting.await, Ok(MethodOutcome::Answered { .. })));
}

#[tokio::test]
async fn nobody_waits_longer_than_was_said() {
    let world = World::with(identity("dev-1")).await;
    let at_once = MethodCall { timeout: Duration::ZERO, connect_timeout: Duration::ZERO, ..call("a") };
    assert_eq!(world.hub.invoke(dev_1(), at_once.clone()).await, Ok(MethodOutcome::NotConnected));
    let (post, number) = world.connect();
    world.hub.listen_to_methods(&dev_1(), number, true);
    assert_eq!(world.hub.invoke(dev_1(), at_once).await, Ok(MethodOutcome::TimedOut));
    let rid = rids(&post)[0];
    assert!(!world.hub.answer_method(&dev_1(), rid, 200, json!(null)), "too late");
}

#[tokio::test]
async fn a_call_that_cannot_be_sent_is_refused_with_the_reason() {
    let world = World::with(identity("dev-1")).await;
    for (bad, words) in [
        (call(""), "name: must have 1 to 100"),
        (call(&"x".repeat(101)), "not 101"),
        (call("a/b"), "name: may not hold '/'"),
        (call("a b"), "name: may not hold ' '"),
        (call("#"), "name: may not hold '#'"),
        (MethodCall { timeout: Duration::from_secs(301), ..call("a") }, "timeout: at most 300 seconds"),
        (MethodCall { payload: json!("x".repeat(128 * 1024)), ..call("a") }, "payload: 131074 bytes"),
    ] {
        match world.hub.invoke(dev_1(), bad).await {
            Err(HubError::Refused { why, .. }) => assert!(why.contains(words), "{why}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_stays_behind() {
    let world = World::with(identity("dev-1")).await;
    let waiting = begun(&world, "a");
    assert!(!world.hub.sessions.is_idle());
    drop(waiting);
    assert!(world.hub.sessions.is_idle());
    let (_post, number) = world.connect();
    world.hub.listen_to_methods(&dev_1(), number, true);
    let sent = begun(&world, "a");
    world.hub.leave(&dev_1(), number);
    assert!(world.hub.sessions.is_idle(), "a call ends with its session");
    drop(sent);
    assert!(!world.hub.answer_method(&dev_1(), 1, 200, json!(null)));
    assert!(world.hub.sessions.is_idle());
}
