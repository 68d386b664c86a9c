//! Who gets a session, and how it ends.

use std::time::Duration;

use firsthop_protocol::OperationId;

use super::super::OnHub;
use super::*;
use crate::domain::ports::SessionCommand;
use crate::front::codec::DisconnectReason;
use crate::front::session::Role;
use crate::hub::tests::reg_1;

async fn connack(stage: &Stage, hello: &Hello) -> Frame {
    Client::connect(&stage.door, &stage.chain, hello).await.1
}

fn says(frame: &Frame, text: &str) -> bool {
    String::from_utf8_lossy(&frame.body).contains(text)
}

#[tokio::test]
async fn a_device_says_its_id_in_any_of_the_usual_ways_or_not_at_all() {
    let stage = Stage::new().await;
    for (client_id, user_name) in [
        ("dev-1", None),
        ("", None),
        ("", Some("dev-1")),
        ("dev-1", Some("lisbon/dev-1/?api-version=2021-04-12&DeviceClientType=x")),
        ("dev-1", Some("HUB.example/dev-1/?api-version=2019-10-01")),
        ("dev-1", Some("hub.example:8884/dev-1/?api-version=2021-04-12")),
    ] {
        let hello = Hello { client_id: client_id.into(), user_name: user_name.map(Into::into), ..v311() };
        assert_eq!(connack(&stage, &hello).await.body, [0, 0], "{client_id} {user_name:?}");
    }
}

#[tokio::test]
async fn who_says_something_else_is_told_why() {
    let stage = Stage::new().await;
    for (client_id, user_name, why) in [
        ("dev-1/camera", None, "modules are not offered"),
        ("dev-1", Some("lisbon/dev-1/camera/?api-version=2021-04-12"), "modules are not offered"),
        ("dev-1", Some("porto/dev-1/?api-version=2021-04-12"), "names another hub"),
        ("dev-1", Some("lisbon/dev-2/?api-version=2021-04-12"), "another device"),
        ("dev+1", None, "no device id"),
    ] {
        let hello = Hello { client_id: client_id.into(), user_name: user_name.map(Into::into), ..v5() };
        let connack = connack(&stage, &hello).await;
        assert_eq!(connack.body[1], 0x87, "{connack:?}");
        assert!(says(&connack, why), "{client_id} {user_name:?}: {connack:?}");
    }
}

#[tokio::test]
async fn strangers_and_devices_that_are_not_here_get_no_session() {
    let stage = Stage::new().await;
    let impostor = chain("dev-1");
    for (chain, id) in [(&impostor[..], "dev-1"), (&stage.chain[..], "dev-2"), (&[], "dev-1")] {
        let hello = Hello { client_id: id.into(), ..v311() };
        let (mut client, connack) = Client::connect(&stage.door, chain, &hello).await;
        assert_eq!(connack.body, [0, 5], "{id}");
        assert_eq!(client.frame().await, None, "the connection is closed");
    }
}

#[tokio::test]
async fn a_device_that_is_being_moved_is_to_come_again() {
    let stage = Stage::new().await;
    stage.world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    assert_eq!(connack(&stage, &v311()).await.body, [0, 3]);
    assert_eq!(connack(&stage, &v5()).await.body[1], 0x88);
}

#[tokio::test]
async fn a_device_that_has_left_is_told_where_it_lives() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v5()).await;
    let operation = OperationId::random();
    stage.world.hub.fence(operation, reg_1()).await.unwrap();
    let end = client.frame().await.unwrap();
    assert_eq!((end.head, end.body[0]), (0xe0, 0x98), "its session ends while it is moved");
    stage.world.hub.remove(operation, reg_1(), Some("porto.example:8885".into())).await.unwrap();
    assert_eq!(connack(&stage, &v311()).await.body, [0, 5]);
    let connack = connack(&stage, &v5()).await;
    assert_eq!(connack.body[1], 0x9d);
    assert!(says(&connack, "porto.example:8885"));
}

#[tokio::test]
async fn a_session_whose_device_moved_ends_with_its_new_address() {
    let stage = Stage::new().await;
    let mut client = stage.connect(&v5()).await;
    let command = SessionCommand::Close { moved_to: Some("porto.example:8885".into()) };
    assert!(stage.world.hub.session(dev_1(), command).await.unwrap());
    let end = client.frame().await.unwrap();
    assert_eq!((end.head, end.body[0]), (0xe0, 0x9d));
    assert!(says(&end, "porto.example:8885"));
    let mut old = stage.connect(&v311()).await;
    stage.world.hub.session(dev_1(), SessionCommand::Close { moved_to: None }).await.unwrap();
    assert_eq!(old.frame().await, None, "MQTT 3.1.1 just closes");
}

#[tokio::test]
async fn a_device_is_judged_again_when_its_certificate_expires() {
    let stage = Stage::new().await;
    let admitted = stage.world.hub.admit(&stage.chain, None).unwrap();
    let mut role = OnHub::enter(stage.door.clone(), admitted, false);
    assert!(role.judge(&stage.chain).is_ok());
    stage.world.clock.forward(Duration::from_secs(100 * 365 * 24 * 3600));
    assert!(role.judged_for().is_zero());
    let end = role.judge(&stage.chain).unwrap_err();
    assert_eq!(end.farewell().unwrap().reason, DisconnectReason::NotAuthorized);
}

#[tokio::test]
async fn a_newcomer_of_the_same_device_takes_over() {
    let stage = Stage::new().await;
    let mut first = stage.connect(&v5()).await;
    let mut second = stage.connect(&v5()).await;
    let end = first.frame().await.unwrap();
    assert_eq!((end.head, end.body[0]), (0xe0, 0x8e));
    second.ping().await;
}

#[tokio::test]
async fn a_hub_on_a_shared_port_is_meant_by_user_name_or_else_by_the_host_that_is_its_alone() {
    let stage = Stage::new().await;
    let other =
        |host: &str| HubDoor::new(limits::Config::default(), hub_over(&stage.world, "porto"), bus(), host.into(), 8883);
    let hubs = [stage.door.clone(), other("porto.example")];
    let meant = |hubs: &[Arc<HubDoor>], user_name: Option<&str>, dialled: Option<&str>| {
        super::super::meant(hubs, user_name, dialled).map(|door| door.hub.name().to_string())
    };
    let porto = Some("porto".to_owned());
    assert_eq!(meant(&hubs, Some("porto/dev-1/?api-version=1"), Some("hub.example")), porto);
    assert_eq!(meant(&hubs, None, Some("porto.example")), porto);
    assert_eq!(meant(&hubs, Some("dev-1"), Some("PORTO.example")), porto);
    assert_eq!(meant(&hubs, Some("scope/registrations/dev-1/api-version=1"), Some("porto.example")), None);
    assert_eq!(meant(&hubs, Some("elsewhere/dev-1/?api-version=1"), Some("porto.example")), None);
    assert_eq!(meant(&hubs, None, None), None);
    let alike = [stage.door.clone(), other("hub.example")];
    assert_eq!(meant(&alike, None, Some("hub.example")), None, "two hubs have that host");
    for machine in ["localhost", "LOCALHOST.", "127.0.0.1", "::1"] {
        let hubs = [other(machine)];
        assert_eq!(meant(&hubs, None, Some(machine)), None, "{machine} is dialled for everything on this machine");
        assert_eq!(meant(&hubs, Some("porto/dev-1/?api-version=1"), Some(machine)), porto);
    }
}
