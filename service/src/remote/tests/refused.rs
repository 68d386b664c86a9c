//! Calls that are not done, and callers that are not answered.

use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::OperationId;
use serde_json::json;
use tokio::net::TcpListener;

use super::hub::{by_thumbprint, identity, state};
use super::{CLIENT, Scripted, World, device, lisbon, operation, registration, serve};
use crate::domain::ports::{Hub, HubError, MethodCall};
use crate::http::tls;
use crate::remote::server::{Hubs, open};
use crate::remote::{ClientConfig, RemoteHub, ServerConfig, wire};

/// The error of a call with this certificate, and what the hub was asked.
async fn refused(server: &ServerConfig, client: &ClientConfig) -> HubError {
    let scripted = Scripted::default().shared();
    let port = serve(server, scripted.clone());
    let error = port.hub(client).release(operation(), registration()).await.unwrap_err();
    assert_eq!(scripted.asked(), []);
    error
}

#[tokio::test]
async fn errors_of_the_port_cross_the_network_as_they_are() {
    let world = World::new();
    let hub = lisbon();
    let why = "the disk is full".to_owned();
    for error in [
        HubError::Busy { hub: hub.clone(), operation: OperationId::from_bytes([9; 16]) },
        HubError::NoDevice { hub: hub.clone() },
        HubError::Unavailable { hub: hub.clone(), why: why.clone() },
        HubError::Refused { hub: hub.clone(), why: why.clone() },
    ] {
        let scripted = Scripted { fails: Some(error.clone()), ..Scripted::default() }.shared();
        let port = serve(&world.server(), scripted);
        let remote = port.hub(&world.client(CLIENT));
        assert_eq!(remote.fence(operation(), registration()).await, Err(error.clone()));
        assert_eq!(remote.status().await, Err(error));
    }
}

#[tokio::test]
async fn a_caller_whose_name_is_not_listed_is_told_so_and_asks_nothing_of_the_hub() {
    let world = World::new();
    let error = refused(&world.server(), &world.client("another.example")).await;
    let HubError::Unavailable { why, .. } = error else { panic!("{error:?}") };
    assert!(why.contains("hub_port.clients") && why.contains("another.example"), "{why}");
}

#[tokio::test]
async fn a_caller_of_another_authority_does_not_come_through_the_handshake() {
    let (world, stranger) = (World::new(), World::new());
    let client = ClientConfig { ca: world.ca(), ..stranger.client(CLIENT) };
    assert!(matches!(refused(&world.server(), &client).await, HubError::Unreachable { .. }));
}

#[tokio::test]
async fn a_hub_of_another_authority_is_not_given_anything() {
    let (world, stranger) = (World::new(), World::new());
    let client = ClientConfig { ca: stranger.ca(), ..world.client(CLIENT) };
    let error = refused(&world.server(), &client).await;
    assert!(matches!(&error, HubError::Unreachable { why, .. } if why.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn a_caller_without_a_certificate_does_not_come_through_the_handshake() {
    let world = World::new();
    let port = serve(&world.server(), Scripted::default().shared());
    let tls = tls::client(tls::authorities(&world.ca()).unwrap(), None).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
    let url = format!("https://{}/v1/hubs/hub-lisbon/status", port.address);
    assert!(client.get(url).send().await.is_err());
}

#[tokio::test]
async fn a_hub_that_the_process_does_not_have_is_asked_for_again_later() {
    let world = World::new();
    let port = serve(&world.server(), Scripted::default().shared());
    let other = "hub-oporto".parse().unwrap();
    let hub = RemoteHub::new(other, &format!("https://{}", port.address), &world.client(CLIENT)).unwrap();
    let error = hub.status().await.unwrap_err();
    assert!(matches!(&error, HubError::Unavailable { why, .. } if why.contains("hub-oporto")), "{error:?}");
}

#[tokio::test]
async fn a_hub_that_is_gone_is_unreachable_and_is_reached_again_when_it_is_back() {
    let world = World::new();
    let server = world.server();
    let port = serve(&server, Scripted::default().shared());
    let (address, hub) = (port.address, port.hub(&world.client(CLIENT)));
    assert!(hub.status().await.is_ok());
    port.stop().await;
    assert!(matches!(hub.status().await, Err(HubError::Unreachable { .. })));
    let _port = serve(&ServerConfig { listen: address, ..server }, Scripted::default().shared());
    assert!(hub.status().await.is_ok());
}

#[tokio::test]
async fn a_hub_that_does_not_answer_in_time_is_unreachable_and_a_method_has_its_own_time_besides() {
    let world = World::new();
    let port = serve(&world.server(), Scripted { hangs: true, ..Scripted::default() }.shared());
    let hub = port.hub(&ClientConfig { timeout: Duration::from_millis(300), ..world.client(CLIENT) });
    let error = hub.fence(operation(), registration()).await.unwrap_err();
    assert!(matches!(&error, HubError::Unreachable { why, .. } if why.contains("300ms")), "{error:?}");
    let call = MethodCall {
        name: "m".into(),
        payload: serde_json::Value::Null,
        timeout: Duration::from_millis(100),
        connect_timeout: Duration::from_millis(50),
    };
    let error = hub.invoke(device(), call).await.unwrap_err();
    assert!(matches!(&error, HubError::Unreachable { why, .. } if why.contains("450ms")), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_and_keeps_no_one_waiting() {
    let world = World::new();
    let server = ServerConfig { connections: 1, timeout: Duration::from_millis(300), ..world.server() };
    let port = serve(&server, Scripted::default().shared());
    let _silent = tokio::net::TcpStream::connect(port.address).await.unwrap();
    assert!(port.hub(&world.client(CLIENT)).status().await.is_ok());
}

#[tokio::test]
async fn what_is_no_hub_port_is_unreachable() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let hub = RemoteHub::new(lisbon(), &url, &world.client(CLIENT)).unwrap();
    assert!(matches!(hub.status().await, Err(HubError::Unreachable { .. })));
}

#[tokio::test]
async fn a_state_that_is_too_large_is_refused_before_the_hub_is_asked() {
    let (world, scripted) = (World::new(), Scripted::default().shared());
    let port = serve(&world.server(), scripted.clone());
    let hub = port.hub(&world.client(CLIENT));
    let mut large = state();
    large.queue[0].payload = vec![0; wire::MAX_STATE];
    let error = hub.provision(operation(), identity(by_thumbprint()), large).await.unwrap_err();
    // The other end may stop reading before all was sent, and then its answer is lost.
    assert!(matches!(error, HubError::Refused { .. } | HubError::Unreachable { .. }), "{error:?}");
    assert_eq!(scripted.asked(), []);
}

/// The answers to such bodies at such paths, from a caller that may call.
#[tokio::test]
async fn what_is_no_call_is_refused_before_the_hub_is_asked() {
    let (world, scripted) = (World::new(), Scripted::default().shared());
    let port = serve(&world.server(), scripted.clone());
    let config = world.client(CLIENT);
    let pair = tls::Pair { certificate: &config.certificate, key: &config.key };
    let tls = tls::client(tls::authorities(&config.ca).unwrap(), Some(pair)).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
    let identity: wire::Identity = identity(by_thumbprint()).into();
    let whole = serde_json::to_value(wire::Identify { operation: operation(), identity }).unwrap();
    let mut newer = whole.clone();
    newer["acl"] = json!([]);
    let mut short = whole.clone();
    short["identity"]["credential"]["certificates"][0] = json!("AAAA");
    for (path, body, status, code) in [
        ("devices/another/identify", &whole, 422, "refused"),
        ("devices/Dev:1.a_b-c/identify", &newer, 400, "malformed"),
        ("devices/Dev:1.a_b-c/identify", &short, 422, "refused"),
        ("devices/Dev:1.a_b-c/fence", &json!(7), 400, "malformed"),
        ("devices/a%2Fb/identify", &whole, 400, "malformed"),
        ("devices/Dev:1.a_b-c/elsewhere", &whole, 400, "malformed"),
        ("status", &whole, 400, "malformed"),
    ] {
        let url = format!("https://{}/v1/hubs/hub-lisbon/{path}", port.address);
        let answer = client.post(url).json(body).send().await.unwrap();
        let told = (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap());
        assert_eq!((told.0, &told.1["code"]), (status, &json!(code)), "{path}: {told:?}");
    }
    assert_eq!(scripted.asked(), []);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let world = World::new();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = tokio.enter();
    let missing = ServerConfig { client_ca: "/nowhere/ca.pem".into(), ..world.server() };
    let error = open(&missing, Hubs::new(), Default::default()).unwrap_err().to_string();
    assert!(error.contains("hub_port: /nowhere/ca.pem"), "{error}");
    let client = world.client(CLIENT);
    let error = RemoteHub::new(lisbon(), "http://hub", &client).err().unwrap().to_string();
    assert!(error.contains("hub-lisbon") && error.contains("https"), "{error}");
    let nobody = ServerConfig { clients: vec![], ..world.server() };
    assert!(nobody.problems().iter().any(|problem| problem.contains("hub_port.clients")));
    assert!(world.server().problems().is_empty() && client.problems().is_empty());
    let _: Arc<RemoteHub> = RemoteHub::new(lisbon(), "https://hub:8444", &client).unwrap();
}
