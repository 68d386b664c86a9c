//! Twins under concurrency, and what the device is told when something fails.

use firsthop_protocol::ErrorCode;
use serde_json::json;

use super::*;
use crate::domain::ports::{TwinUpdate, TwinUpdated};

fn desired(value: Value) -> TwinUpdate {
    TwinUpdate { tags: None, desired: Some(value), replace: false }
}

/// The numbers of the desired changes in the post.
fn pushed(post: &Post) -> Vec<u64> {
    let patches = mail(post).into_iter().filter_map(|mail| match mail {
        HubMail::Desired(patch) => Some(patch),
        _ => None,
    });
    patches.map(|patch| serde_json::from_slice::<Value>(&patch).unwrap()["$version"].as_u64().unwrap()).collect()
}

/// A world whose store is gated, with `dev-1` active.
async fn gated() -> World {
    let store = FakeStore::gated();
    store.let_through(2);
    let world = World::over(store);
    world.assign(identity("dev-1")).await;
    world
}

#[tokio::test]
async fn a_patch_is_acknowledged_with_its_version_only_when_it_is_durable() {
    let world = gated().await;
    let device = dev_1();
    let mut report = Box::pin(world.hub.report(&device, br#"{"a":1}"#, Some(1)));
    assert!(report.as_mut().now_or_never().is_none());
    assert_eq!(world.hub.twin(&dev_1()).unwrap().reported.version, 1);
    world.store.let_through(1);
    assert_eq!(report.await, Ok(2));
}

#[tokio::test]
async fn a_patch_that_cannot_be_taken_says_why() {
    let world = World::with(identity("dev-1")).await;
    let device = dev_1();
    let refused = async |patch: &str, expected| {
        let refusal = world.hub.report(&device, patch.as_bytes(), expected).await.unwrap_err();
        (refusal.code, refusal.message)
    };
    assert_eq!(refused("[", None).await.0, ErrorCode::InvalidTwin);
    let (code, message) = refused(r#"{"$version":3}"#, None).await;
    assert!(code == ErrorCode::InvalidTwin && message.starts_with("reported.$version: "), "{message}");
    let (code, message) = refused("{}", Some(9)).await;
    assert!(code == ErrorCode::VersionConflict && message.contains("$version 1, not at 9"), "{message}");
    world.store.set_unavailable(true);
    assert_eq!(refused("{}", None).await.0, ErrorCode::StoreUnavailable);
    world.store.set_unavailable(false);
    assert_eq!(world.hub.report(&device, b"{}", Some(1)).await, Ok(2));
}

#[tokio::test]
async fn patches_that_come_together_all_count_in_their_order() {
    let world = World::with(identity("dev-1")).await;
    let device = dev_1();
    let patches: Vec<String> = (0..20).map(|n| json!({"n": n, format!("k{n}"): n}).to_string()).collect();
    let reports = patches.iter().map(|patch| world.hub.report(&device, patch.as_bytes(), None));
    let versions = futures_util::future::join_all(reports).await;
    assert_eq!(versions, (2..22).map(Ok).collect::<Vec<_>>());
    let twin = world.hub.twin(&device).unwrap();
    assert_eq!((twin.reported.properties.len(), &twin.reported.properties["n"]), (21, &json!(19)));
}

#[tokio::test]
async fn the_device_hears_of_desired_changes_in_the_order_of_their_versions() {
    let world = World::with(identity("dev-1")).await;
    let (post, _) = world.connect();
    let updates = (0..10).map(|n| world.hub.update_twin(dev_1(), desired(json!({ "n": n })), None));
    let done = futures_util::future::join_all(updates).await;
    assert!(done.iter().all(|done| matches!(done, Ok(TwinUpdated::Done(_)))));
    assert_eq!(pushed(&post), (2..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_device_unaware_of_what_was_committed() {
    let world = gated().await;
    let (post, _) = world.connect();
    let mut update = world.hub.update_twin(dev_1(), desired(json!({"on": true})), None);
    assert!(update.as_mut().now_or_never().is_none());
    drop(update);
    world.store.let_through(1);
    let HubMail::Desired(patch) = post.next().await else { panic!("not told") };
    assert_eq!(serde_json::from_slice::<Value>(&patch).unwrap(), json!({"on": true, "$version": 2}));
    // Its turn has passed on.
    world.store.let_through(1);
    assert_eq!(world.hub.report(&dev_1(), b"{}", None).await, Ok(2));
}

#[tokio::test]
async fn a_change_that_is_not_committed_is_not_told() {
    let world = World::with(identity("dev-1")).await;
    let (post, _) = world.connect();
    world.store.set_unavailable(true);
    assert!(world.hub.update_twin(dev_1(), desired(json!({"on": true})), None).await.is_err());
    assert!(mail(&post).is_empty());
}

#[tokio::test]
async fn a_write_that_races_with_a_fence_is_in_the_copy_or_not_acknowledged() {
    for writes_before in 0..3 {
        let world = gated().await;
        let device = dev_1();
        let mut reports: Vec<_> = (0..3).map(|_| Box::pin(world.hub.report(&device, b"{}", None))).collect();
        for report in &mut reports {
            assert!(report.as_mut().now_or_never().is_none());
        }
        let mut versions = Vec::new();
        for report in reports.drain(..writes_before) {
            world.store.let_through(1);
            versions.push(report.await.unwrap());
        }
        // The next report may already wait in the store: the fence is served after it, or before.
        world.store.let_through(4);
        let (state, rest) =
            tokio::join!(world.hub.fence(OperationId::random(), reg_1()), futures_util::future::join_all(reports));
        let acknowledged = versions.into_iter().chain(rest.into_iter().flatten()).max().unwrap_or(1);
        assert_eq!(state.unwrap().twin.reported.version, acknowledged);
    }
}

#[tokio::test]
async fn a_write_that_races_with_a_reset_is_made_on_the_new_state_though_versions_begin_anew() {
    let world = gated().await;
    let device = dev_1();
    let mut report = Box::pin(world.hub.report(&device, br#"{"on":true}"#, Some(1)));
    assert!(report.as_mut().now_or_never().is_none(), "decided at version 1, and waits for the disk");
    let mut state = fresh();
    state.twin.desired.properties.insert("interval".into(), 90.into());
    world.store.reset(&device, state.clone());
    world.store.let_through(2);
    assert_eq!(report.await, Ok(2));
    let twin = world.hub.twin(&device).unwrap();
    assert_eq!((twin.desired, &twin.reported.properties["on"]), (state.twin.desired, &json!(true)));
}

#[tokio::test]
async fn subscriptions_are_written_only_when_they_change() {
    let world = World::with(identity("dev-1")).await;
    let kept = vec![crate::domain::hub_device::Subscription { filter: "$iothub/twin/res/#".into(), qos: 1 }];
    let before = world.store.writes();
    world.hub.keep_subscriptions(&dev_1(), Vec::new()).await.unwrap();
    assert_eq!(world.store.writes(), before);
    for _ in 0..2 {
        world.hub.keep_subscriptions(&dev_1(), kept.clone()).await.unwrap();
    }
    assert_eq!(world.store.writes(), before + 1);
    assert_eq!(world.hub.device(&dev_1()).unwrap().subscriptions, kept);
}
