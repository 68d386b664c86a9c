//! What the back end does with a device on its hub.

use serde_json::json;

use super::*;
use crate::domain::ports::{MethodOutcome, Notice, SessionCommand, TwinUpdated};

pub(crate) async fn a_session_is_reached_and_closed(rig: Rig) {
    let rig = rig.with_device().await;
    let notice = Notice { reason: "new site".into(), not_before: Some(rig.hub.now()), spread: 30 };
    assert_eq!(rig.port.session(dev_1(), SessionCommand::Notify(notice.clone())).await, Ok(false));
    let (post, _) = rig.connect();
    assert!(rig.port.device(dev_1()).await.unwrap().1);
    assert_eq!(rig.port.status().await.unwrap().sessions, 1);
    assert_eq!(rig.port.session(dev_1(), SessionCommand::Notify(notice.clone())).await, Ok(true));
    assert_eq!(mail(&post), [HubMail::Notify(notice)]);
    let to = Some("porto:8884".to_owned());
    assert_eq!(rig.port.session(dev_1(), SessionCommand::Close { moved_to: to.clone() }).await, Ok(true));
    assert_eq!(mail(&post), [HubMail::Close { moved_to: to }]);
    assert_eq!(rig.port.session(dev_1(), SessionCommand::Close { moved_to: None }).await, Ok(false));
    assert_eq!(rig.port.status().await.unwrap().sessions, 0);
}

pub(crate) async fn a_twin_is_changed_at_the_version_that_is_expected(rig: Rig) {
    let rig = rig.with_device().await;
    let changed = rig.port.update_twin(dev_1(), update(json!({"interval": 60})), Some(1)).await.unwrap();
    let TwinUpdated::Done(twin) = changed else { panic!("{changed:?}") };
    assert_eq!((twin.version, twin.desired.version), (2, 2));
    assert_eq!(rig.port.twin(dev_1()).await.unwrap(), twin);
    let stale = rig.port.update_twin(dev_1(), update(json!({"interval": 90})), Some(1)).await;
    assert_eq!(stale, Ok(TwinUpdated::Conflict(2)));
    // What the device reports counts as well.
    rig.report(&json!({})).await.unwrap();
    let stale = rig.port.update_twin(dev_1(), update(json!({})), Some(2)).await;
    assert_eq!(stale, Ok(TwinUpdated::Conflict(3)));
    let invalid = rig.port.update_twin(dev_1(), update(json!({"a.b": 1})), None).await.unwrap();
    assert!(matches!(&invalid, TwinUpdated::Invalid(why) if why.starts_with("desired.a.b: ")), "{invalid:?}");
    let tags = TwinUpdate { tags: Some(json!({"site": "porto"})), desired: None, replace: true };
    let tagged = rig.port.update_twin(dev_1(), tags, Some(3)).await.unwrap();
    assert!(matches!(&tagged, TwinUpdated::Done(twin) if twin.tags["site"] == "porto" && twin.version == 4));
}

pub(crate) async fn a_desired_change_reaches_the_device(rig: Rig) {
    let rig = rig.with_device().await;
    let (post, _) = rig.connect();
    for interval in [1, 2, 3] {
        rig.port.update_twin(dev_1(), update(json!({ "interval": interval })), None).await.unwrap();
    }
    let patches: Vec<Value> = mail(&post)
        .into_iter()
        .map(|mail| match mail {
            HubMail::Desired(patch) => serde_json::from_slice(&patch).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = [1, 2, 3].map(|n| json!({"interval": n, "$version": n + 1})).into();
    assert_eq!(patches, expected);
}

pub(crate) async fn a_queue_has_room_for_what_it_was_given(rig: Rig) {
    let mut told = identity("dev-1");
    told.resources.command_queue.messages = 2;
    let operation = OperationId::random();
    rig.port.provision(operation, told, fresh()).await.unwrap();
    rig.port.release(operation, reg_1()).await.unwrap();
    let (Enqueued::Done(first), Enqueued::Done(second)) = (rig.enqueue("a").await, rig.enqueue("b").await) else {
        panic!("there is room for two")
    };
    assert!(first < second);
    assert_eq!(rig.enqueue("c").await, Enqueued::Full);
    rig.hub.complete(&dev_1(), vec![first]).await.unwrap();
    assert!(matches!(rig.enqueue("d").await, Enqueued::Done(_)));
    let bad = DeviceBound { properties: "a/b".into(), ..message("x") };
    assert!(matches!(rig.port.enqueue(dev_1(), bad).await, Err(HubError::Refused { .. })));
}

pub(crate) async fn a_method_is_answered_by_the_device(rig: Rig) {
    let rig = rig.with_device().await;
    let away = rig.port.invoke(dev_1(), call(Duration::ZERO)).await;
    assert_eq!(away, Ok(MethodOutcome::NotConnected));
    let (post, number) = rig.connect();
    rig.hub.listen_to_methods(&dev_1(), number, true);
    let silent = rig.port.invoke(dev_1(), call(Duration::ZERO)).await;
    assert_eq!(silent, Ok(MethodOutcome::TimedOut));
    mail(&post);
    let device = async {
        let HubMail::Method { rid, name, payload } = post.next().await else { panic!("no method") };
        assert_eq!((&*name, serde_json::from_slice(&payload).unwrap()), ("reboot", json!({"in": 5})));
        assert!(rig.hub.answer_method(&dev_1(), rid, 202, json!({"ok": true})));
        rid
    };
    let (answered, rid) = tokio::join!(rig.port.invoke(dev_1(), call(Duration::from_secs(60))), device);
    assert_eq!(answered, Ok(MethodOutcome::Answered { status: 202, payload: json!({"ok": true}) }));
    assert!(!rig.hub.answer_method(&dev_1(), rid, 200, json!(null)), "once is enough");
}

pub(crate) async fn stored_events_are_read_in_pages(rig: Rig) {
    let mut told = identity("dev-1");
    told.resources.events.messages = 3;
    let operation = OperationId::random();
    rig.port.provision(operation, told, fresh()).await.unwrap();
    rig.port.release(operation, reg_1()).await.unwrap();
    for payload in [b"1", b"2", b"3", b"4"] {
        rig.hub.keep_event(&dev_1(), "a=b", payload).await.unwrap();
    }
    let first = rig.port.events(dev_1(), None, 2).await.unwrap();
    let rest = rig.port.events(dev_1(), first.last().map(|(number, _)| *number), 9).await.unwrap();
    let payloads: Vec<_> = first.iter().chain(&rest).map(|(_, event)| event.payload.as_slice()).collect();
    assert_eq!(payloads, [b"2", b"3", b"4"], "the oldest made room");
}
