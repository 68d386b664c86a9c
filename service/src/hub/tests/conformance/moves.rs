//! Steps of operations: what a move does with a device on one hub.

use firsthop_protocol::ErrorCode;
use serde_json::json;

use super::*;
use crate::domain::hub_device::QueuedMessage;
use crate::domain::ports::{HubStatus, SessionCommand};

pub(crate) async fn a_device_is_held_until_it_is_released(rig: Rig) {
    let operation = OperationId::random();
    rig.port.provision(operation, identity("dev-1"), fresh()).await.unwrap();
    assert_eq!(rig.standing().await, Standing::Held(operation));
    assert!(!rig.hub.still_admits(&dev_1()));
    assert_eq!(rig.report(&json!({})).await.unwrap_err().code, ErrorCode::DeviceMoving);
    busy(rig.port.enqueue(dev_1(), message("x")).await, operation);
    rig.port.release(operation, reg_1()).await.unwrap();
    assert_eq!(rig.standing().await, Standing::Active);
    assert_eq!(rig.report(&json!({"on": true})).await, Ok(2));
    assert_eq!(rig.port.status().await.unwrap(), HubStatus { devices: 1, sessions: 0 });
}

pub(crate) async fn a_repeated_step_does_nothing_more(rig: Rig) {
    let (first, second) = (OperationId::random(), OperationId::random());
    for _ in 0..3 {
        rig.port.provision(first, identity("dev-1"), fresh()).await.unwrap();
    }
    for _ in 0..3 {
        rig.port.release(first, reg_1()).await.unwrap();
    }
    rig.report(&json!({"on": true})).await.unwrap();
    let (post, _) = rig.connect();
    rig.port.provision(first, identity("dev-1"), fresh()).await.unwrap();
    assert_eq!(rig.standing().await, Standing::Active, "what was let in is not taken back");
    assert!(mail(&post).is_empty());
    assert_eq!(rig.port.twin(dev_1()).await.unwrap().reported.version, 2);
    let state = rig.port.fence(second, reg_1()).await.unwrap();
    assert_eq!(rig.port.fence(second, reg_1()).await.unwrap(), state);
    for _ in 0..3 {
        rig.port.remove(second, reg_1(), Some("x:1".into())).await.unwrap();
    }
    assert_eq!(rig.port.status().await.unwrap().devices, 0);
}

pub(crate) async fn a_device_of_one_operation_is_busy_for_another(rig: Rig) {
    let rig = rig.with_device().await;
    let (mine, other) = (OperationId::random(), OperationId::random());
    rig.port.fence(mine, reg_1()).await.unwrap();
    busy(rig.port.fence(other, reg_1()).await, mine);
    busy(rig.port.release(other, reg_1()).await, mine);
    busy(rig.port.remove(other, reg_1(), None).await, mine);
    busy(rig.port.provision(other, identity("dev-1"), fresh()).await, mine);
    assert_eq!(rig.standing().await, Standing::Fenced(mine));
}

pub(crate) async fn a_device_id_is_of_one_registration(rig: Rig) {
    let rig = rig.with_device().await;
    let mut other = identity("dev-1");
    other.registration_id = RegistrationId::parse("dev-9").unwrap();
    let taken = rig.port.provision(OperationId::random(), other, fresh()).await;
    assert!(matches!(&taken, Err(HubError::Refused { why, .. }) if why.contains("dev-1")), "{taken:?}");
    assert_eq!(rig.port.device(dev_1()).await.unwrap().0.identity, identity("dev-1"));
}

pub(crate) async fn a_fence_gives_exactly_what_was_acknowledged_and_nothing_is_afterwards(rig: Rig) {
    let rig = rig.with_device().await;
    let (post, _) = rig.connect();
    rig.report(&json!({"firmware": "1.2"})).await.unwrap();
    rig.enqueue("a").await;
    let before = rig.port.twin(dev_1()).await.unwrap();
    let operation = OperationId::random();
    let state = rig.port.fence(operation, reg_1()).await.unwrap();
    assert_eq!(state.twin, before);
    assert_eq!(state.queue.iter().map(|message| message.payload.as_slice()).collect::<Vec<_>>(), [b"a"]);
    assert_eq!(mail(&post).last(), Some(&HubMail::Close { moved_to: None }));
    assert_eq!(rig.report(&json!({"firmware": "1.3"})).await.unwrap_err().code, ErrorCode::DeviceMoving);
    busy(rig.port.update_twin(dev_1(), update(json!({"on": true})), None).await, operation);
    busy(rig.port.enqueue(dev_1(), message("b")).await, operation);
    busy(rig.port.invoke(dev_1(), call(Duration::ZERO)).await, operation);
    assert_eq!(rig.port.twin(dev_1()).await.unwrap(), before, "it can still be read");
    assert_eq!(rig.port.fence(operation, reg_1()).await.unwrap(), state);
}

pub(crate) async fn a_fence_that_is_undone_lets_the_device_in_again(rig: Rig) {
    let rig = rig.with_device().await;
    let operation = OperationId::random();
    rig.port.fence(operation, reg_1()).await.unwrap();
    rig.port.release(operation, reg_1()).await.unwrap();
    assert!(rig.hub.still_admits(&dev_1()));
    assert_eq!(rig.report(&json!({})).await, Ok(2));
    let late = rig.port.fence(operation, reg_1()).await;
    assert!(matches!(late, Err(HubError::Refused { .. })), "{late:?}");
    assert!(rig.hub.still_admits(&dev_1()));
}

pub(crate) async fn a_device_that_moved_leaves_a_trace(rig: Rig) {
    let rig = rig.with_device().await;
    let operation = OperationId::random();
    rig.port.fence(operation, reg_1()).await.unwrap();
    rig.port.remove(operation, reg_1(), Some("porto:8884".into())).await.unwrap();
    let Standing::Moved { to, .. } = rig.standing().await else { panic!("it has moved") };
    assert_eq!(to.as_deref(), Some("porto:8884"));
    no_device(rig.port.twin(dev_1()).await);
    no_device(rig.port.update_twin(dev_1(), update(json!({})), None).await);
    no_device(rig.port.enqueue(dev_1(), message("a")).await);
    no_device(rig.port.fence(OperationId::random(), reg_1()).await);
    assert_eq!(rig.report(&json!({})).await.unwrap_err().code, ErrorCode::NoDevice);
    // It comes back with nothing of what it had here.
    let rig = rig.with_device().await;
    assert_eq!(rig.port.twin(dev_1()).await.unwrap(), fresh().twin);
}

pub(crate) async fn a_state_that_moved_is_there_as_it_was(rig: Rig) {
    let now = rig.hub.now();
    let queued = |payload: &str| QueuedMessage {
        properties: "a=b".into(),
        payload: payload.into(),
        enqueued: now,
        expires: now.plus(Duration::from_secs(60)),
        deliveries: 3,
    };
    let patch = json!({"a": {"b": [1, null, "ä"]}}).as_object().unwrap().clone();
    let mut state = fresh();
    state.twin = state.twin.report(&patch, None, now).unwrap();
    state.queue = vec![queued("1"), queued("2")];
    let operation = OperationId::random();
    rig.port.provision(operation, identity("dev-1"), state.clone()).await.unwrap();
    rig.port.release(operation, reg_1()).await.unwrap();
    let (record, connected) = rig.port.device(dev_1()).await.unwrap();
    assert_eq!((record.identity, connected), (identity("dev-1"), false));
    assert_eq!(rig.port.fence(OperationId::random(), reg_1()).await.unwrap(), state);
}

pub(crate) async fn a_step_for_a_device_that_is_not_there_says_so(rig: Rig) {
    let operation = OperationId::random();
    no_device(rig.port.fence(operation, reg_1()).await);
    no_device(rig.port.release(operation, reg_1()).await);
    no_device(rig.port.identify(operation, identity("dev-1")).await);
    no_device(rig.port.device(dev_1()).await);
    no_device(rig.port.twin(dev_1()).await);
    no_device(rig.port.events(dev_1(), None, 1).await);
    no_device(rig.port.invoke(dev_1(), call(Duration::ZERO)).await);
    assert_eq!(rig.port.remove(operation, reg_1(), None).await, Ok(()), "what is not there need not be removed");
    assert_eq!(rig.port.session(dev_1(), SessionCommand::Close { moved_to: None }).await, Ok(false));
}

pub(crate) async fn an_identity_changes_without_the_state(rig: Rig) {
    let rig = rig.with_device().await;
    rig.report(&json!({"on": true})).await.unwrap();
    let (post, _) = rig.connect();
    rig.port.identify(OperationId::random(), identity("dev-1")).await.unwrap();
    assert!(mail(&post).is_empty(), "the same identity changes nothing");
    let mut told = identity("dev-1");
    told.capabilities = Capabilities { iot_edge: true };
    rig.port.identify(OperationId::random(), told.clone()).await.unwrap();
    assert!(mail(&post).is_empty(), "it may go on");
    told.credential = Credential::Certificates(vec![Thumbprint([9; 32])]);
    rig.port.identify(OperationId::random(), told.clone()).await.unwrap();
    assert_eq!(mail(&post), [HubMail::Close { moved_to: None }], "it is judged anew");
    assert_eq!(rig.port.device(dev_1()).await.unwrap().0.identity, told);
    assert_eq!(rig.port.twin(dev_1()).await.unwrap().reported.version, 2);
}
