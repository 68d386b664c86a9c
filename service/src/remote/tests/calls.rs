//! Calls that a hub does.

use std::time::Duration;

use serde_json::json;

use super::hub::{Asked, at, by_authority, by_thumbprint, identity, kept, state};
use super::{CLIENT, Scripted, World, device, operation, registration, serve};
use crate::domain::hub_device::Standing;
use crate::domain::ports::{
    DeviceBound, Enqueued, Hub, HubStatus, MethodCall, MethodOutcome, Notice, SessionCommand, TwinUpdate, TwinUpdated,
};

#[tokio::test]
async fn each_step_of_a_move_arrives_as_it_was_asked_and_may_be_repeated() {
    let (world, scripted) = (World::new(), Scripted::default().shared());
    let port = serve(&world.server(), scripted.clone());
    let hub = port.hub(&world.client(CLIENT));
    let mut expected = Vec::new();
    for credential in [by_thumbprint(), by_authority()] {
        for _repeated in 0..2 {
            hub.provision(operation(), identity(credential.clone()), state()).await.unwrap();
            expected.push(Asked::Provision(operation(), identity(credential.clone()), Box::new(state())));
        }
        hub.identify(operation(), identity(credential.clone())).await.unwrap();
        expected.push(Asked::Identify(operation(), identity(credential)));
    }
    assert_eq!(hub.fence(operation(), registration()).await.unwrap(), state());
    hub.release(operation(), registration()).await.unwrap();
    expected.extend([Asked::Fence(operation(), registration()), Asked::Release(operation(), registration())]);
    for to in [None, Some("[::1]:8884".to_owned())] {
        hub.remove(operation(), registration(), to.clone()).await.unwrap();
        expected.push(Asked::Remove(operation(), registration(), to));
    }
    assert_eq!(scripted.asked(), expected);
    port.stop().await;
}

#[tokio::test]
async fn sessions_are_reached_and_the_hub_tells_how_it_is() {
    let (world, scripted) = (World::new(), Scripted::default().shared());
    let port = serve(&world.server(), scripted.clone());
    let hub = port.hub(&world.client(CLIENT));
    let notice = Notice { reason: "new \"site\"".into(), not_before: Some(at(1)), spread: 600 };
    let commands = [
        SessionCommand::Notify(notice),
        SessionCommand::Close { moved_to: None },
        SessionCommand::Close { moved_to: Some("hub:8884".into()) },
    ];
    for command in &commands {
        assert!(hub.session(device(), command.clone()).await.unwrap());
    }
    assert_eq!(scripted.asked(), commands.map(|command| Asked::Session(device(), command)));
    assert_eq!(hub.status().await.unwrap(), HubStatus { devices: u64::MAX, sessions: 3 });
    assert_eq!(hub.device(device()).await.unwrap(), (kept(Standing::Active), true));
    assert_eq!(hub.twin(device()).await.unwrap(), state().twin);
}

#[tokio::test]
async fn twins_are_updated_within_what_the_hub_says() {
    let world = World::new();
    for updated in
        [TwinUpdated::Done(state().twin), TwinUpdated::Conflict(9), TwinUpdated::Invalid("tags: too deep".into())]
    {
        let scripted = Scripted { updated: Some(updated.clone()), ..Scripted::default() }.shared();
        let port = serve(&world.server(), scripted.clone());
        let update = TwinUpdate { tags: Some(json!({ "a": null })), desired: None, replace: true };
        let answer = port.hub(&world.client(CLIENT)).update_twin(device(), update.clone(), Some(4)).await;
        assert_eq!(answer.unwrap(), updated);
        assert_eq!(scripted.asked(), [Asked::Twin(device(), update, Some(4))]);
    }
}

#[tokio::test]
async fn direct_methods_end_in_each_way_that_they_can() {
    let world = World::new();
    for outcome in [
        MethodOutcome::Answered { status: -1, payload: json!({ "done": true }) },
        MethodOutcome::NotConnected,
        MethodOutcome::TimedOut,
        MethodOutcome::TooMany,
    ] {
        let scripted = Scripted { outcome: Some(outcome.clone()), ..Scripted::default() }.shared();
        let port = serve(&world.server(), scripted.clone());
        let call = MethodCall {
            name: "reboot".into(),
            payload: json!(null),
            timeout: Duration::from_millis(1500),
            connect_timeout: Duration::ZERO,
        };
        assert_eq!(port.hub(&world.client(CLIENT)).invoke(device(), call.clone()).await.unwrap(), outcome);
        assert_eq!(scripted.asked(), [Asked::Method(device(), call)]);
    }
}

#[tokio::test]
async fn messages_and_events_keep_their_bytes() {
    let world = World::new();
    for full in [false, true] {
        let scripted = Scripted { full, ..Scripted::default() }.shared();
        let port = serve(&world.server(), scripted.clone());
        let hub = port.hub(&world.client(CLIENT));
        let message =
            DeviceBound { properties: "a=%20".into(), payload: vec![0, 255], expires: (!full).then(|| at(1)) };
        let answer = hub.enqueue(device(), message.clone()).await.unwrap();
        assert_eq!(answer, if full { Enqueued::Full } else { Enqueued::Done(41) });
        let events = hub.events(device(), Some(7), usize::MAX).await.unwrap();
        assert_eq!(events, [(8, state().events.remove(0))]);
        assert_eq!(scripted.asked(), [Asked::Message(device(), message), Asked::Events(device(), Some(7), 1000)]);
    }
}
