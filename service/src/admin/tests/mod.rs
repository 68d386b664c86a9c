//! The management API over its socket, in a process with one hub.

mod documents;

use std::path::PathBuf;
use std::time::Duration;

use firsthop_protocol::OperationId;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::Hub;
use crate::http::tls;
use crate::hub::tests::{World, dev_1, identity, reg_1};
use crate::hub::{HubMail, Post};

struct Served {
    folder: TempDir,
    world: World,
    client: reqwest::Client,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// With `dev-1` on the hub, which keeps three events of it and three messages to it.
    async fn new() -> Self {
        let mut identity = identity("dev-1");
        identity.resources.events.messages = 3;
        identity.resources.command_queue.messages = 3;
        let world = World::with(identity).await;
        let folder = tempfile::tempdir().unwrap();
        let config = Config { socket: Some(folder.path().join("admin.sock")) };
        let stopping = CancellationToken::new();
        let task = serve(&config, None, vec![world.hub.clone()], stopping.clone()).unwrap().unwrap();
        let client = reqwest::Client::builder()
            .unix_socket(config.socket.unwrap())
            .tls_backend_preconfigured(tls::client(rustls::RootCertStore::empty(), None).unwrap())
            .build()
            .unwrap();
        Self { folder, world, client, stopping, task }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://localhost{path}"))
    }

    async fn get(&self, path: &str) -> Told {
        told(self.request(Method::GET, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Told {
        told(self.request(method, path).body(body.to_string())).await
    }

    async fn refused(&self, method: Method, path: &str, body: &Value) -> (u16, u64) {
        let told = self.send(method, path, body).await;
        (told.status.as_u16(), told.code())
    }
}

#[derive(Debug)]
struct Told {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Told {
    fn code(&self) -> u64 {
        assert!(self.body["message"].is_string() && self.body["trackingId"].is_string(), "{self:?}");
        assert!(self.body["timestampUtc"].as_str().unwrap().ends_with('Z'));
        self.body["errorCode"].as_u64().unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn told(request: RequestBuilder) -> Told {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    Told { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
}

#[tokio::test]
async fn a_twin_is_read_changed_and_sent_back() {
    let served = Served::new().await;
    let first = served.get("/twins/dev-1").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.body["deviceId"], "dev-1");
    assert_eq!(first.body["connectionState"], "Disconnected");
    assert_eq!(first.header("etag"), format!("\"{}\"", first.body["etag"].as_str().unwrap()));
    let patch = json!({ "tags": { "site": "lisbon" }, "properties": { "desired": { "interval": 30 } } });
    let patched = served.send(Method::PATCH, "/twins/dev-1", &patch).await;
    assert_eq!(patched.status, 200);
    assert_eq!(patched.body["tags"]["site"], "lisbon");
    assert_eq!(patched.body["properties"]["desired"]["$version"], 2);
    assert_ne!(patched.header("etag"), first.header("etag"));
    // What was read, changed by hand.
    let mut document = served.get("/twins/dev-1").await.body;
    document["properties"]["desired"]["interval"] = json!(60);
    let replaced = served.send(Method::PUT, "/twins/dev-1", &document).await;
    assert_eq!(replaced.body["properties"]["desired"]["interval"], 60);
    assert_eq!(replaced.body["tags"], patched.body["tags"]);
    // `null` for a part empties it; a part that is not there stays.
    let emptied = served.send(Method::PATCH, "/twins/dev-1", &json!({ "tags": null })).await;
    assert_eq!((&emptied.body["tags"], &emptied.body["properties"]["desired"]["interval"]), (&json!({}), &json!(60)));
}

#[tokio::test]
async fn a_twin_that_changed_meanwhile_is_not_overwritten() {
    let served = Served::new().await;
    let stale = served.get("/twins/dev-1").await.header("etag").to_owned();
    let change = json!({ "tags": { "a": 1 } }).to_string();
    let with =
        |etag: String| served.request(Method::PATCH, "/twins/dev-1").header("if-match", etag).body(change.clone());
    let changed = told(with(stale.clone())).await;
    assert_eq!(changed.status, 200);
    let conflict = told(with(stale)).await;
    assert_eq!((conflict.status.as_u16(), conflict.code()), (412, 412_001));
    assert_eq!(told(with("*".to_owned())).await.status, 200);
    assert_eq!(told(with("W/\"x\"".to_owned())).await.code(), 400_003);
}

#[tokio::test]
async fn a_change_that_is_none_is_refused_with_its_reason() {
    let served = Served::new().await;
    let long = "x".repeat(5000);
    for (body, expected) in [
        (json!({ "tags": { "a": long } }), (400, 400_004)),
        (json!({ "tag": {} }), (400, 400_001)),
        (json!({ "tags": [] }), (400, 400_001)),
        (json!({ "deviceId": "dev-2" }), (400, 400_003)),
    ] {
        assert_eq!(served.refused(Method::PATCH, "/twins/dev-1", &body).await, expected, "{body:.60}");
    }
    let twice = r#"{"tags":{"a":1,"a":2}}"#;
    assert_eq!(told(served.request(Method::PATCH, "/twins/dev-1").body(twice)).await.code(), 400_001);
    assert_eq!(served.refused(Method::PATCH, "/twins/dev-2", &json!({})).await.0, 404);
    assert_eq!(served.refused(Method::PATCH, "/twins/dev%2F1", &json!({})).await, (400, 400_003));
}

#[tokio::test]
async fn a_message_waits_with_its_properties_until_the_queue_is_full() {
    let served = Served::new().await;
    let path = "/devices/dev-1/messages?$.mid=42&color=dark%20red";
    for number in 0..3 {
        let sent = told(served.request(Method::POST, path).body("open")).await;
        assert_eq!(sent.status, 201);
        assert!(sent.body["messageNumber"].is_u64(), "{number}: {sent:?}");
    }
    let full = told(served.request(Method::POST, path).body("open")).await;
    assert_eq!((full.status.as_u16(), full.code()), (429, 429_002));
    assert!(full.headers.contains_key("retry-after"));
    let waiting = served.world.hub.waiting(&dev_1(), None, 10).await.unwrap();
    assert_eq!(waiting.len(), 3);
    assert_eq!(waiting[0].1.payload, b"open");
    assert_eq!(waiting[0].1.properties, "%24.mid=42&color=dark%20red");
    let late = told(served.request(Method::POST, path).header("iothub-expiry", "tomorrow")).await;
    assert_eq!(late.code(), 400_003);
    let nameless = told(served.request(Method::POST, "/devices/dev-1/messages?=1")).await;
    assert_eq!(nameless.code(), 400_003);
}

#[tokio::test]
async fn events_are_read_in_pages_from_the_oldest_on() {
    let served = Served::new().await;
    for body in ["a", "b", "c"] {
        served.world.hub.keep_event(&dev_1(), "x=1", body.as_bytes()).await.unwrap();
    }
    let page = |after: Option<String>| {
        let request = served.request(Method::GET, "/devices/dev-1/events").header("x-ms-max-item-count", "2");
        after.into_iter().fold(request, |request, after| request.header("x-ms-continuation", after))
    };
    let first = told(page(None)).await;
    let bodies = |told: &Told| -> Vec<String> {
        told.body.as_array().unwrap().iter().map(|event| event["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(&first), ["YQ==", "Yg=="]);
    let second = told(page(Some(first.header("x-ms-continuation").to_owned()))).await;
    assert_eq!(bodies(&second), ["Yw=="]);
    assert!(!second.headers.contains_key("x-ms-continuation"));
    assert_eq!(told(page(Some("x".to_owned()))).await.code(), 400_003);
    let none = served.request(Method::GET, "/devices/dev-1/events").header("x-ms-max-item-count", "0");
    assert_eq!(told(none).await.code(), 400_003);
}

#[tokio::test]
async fn a_direct_method_is_answered_by_its_device() {
    let served = Served::new().await;
    let call = json!({ "methodName": "reboot", "payload": { "in": 5 } });
    assert_eq!(served.refused(Method::POST, "/twins/dev-1/methods", &call).await, (404, 404_103));
    let (hub, post) = (served.world.hub.clone(), Arc::new(Post::default()));
    let number = hub.enter(&dev_1(), post.clone());
    hub.listen_to_methods(&dev_1(), number, true);
    let device = async {
        let HubMail::Method { rid, name, .. } = post.next().await else { panic!("another mail") };
        assert_eq!(&*name, "reboot");
        assert!(hub.answer_method(&dev_1(), rid, 202, json!("soon")));
    };
    let (told, ()) = tokio::join!(served.send(Method::POST, "/twins/dev-1/methods", &call), device);
    assert_eq!((told.status, told.body), (StatusCode::OK, json!({ "status": 202, "payload": "soon" })));
    assert_eq!(served.get("/devices/dev-1").await.body["connectionState"], "Connected");
}

#[tokio::test]
async fn a_method_call_that_could_not_travel_is_refused() {
    let served = Served::new().await;
    for body in [
        json!({ "methodName": "a/b" }),
        json!({ "methodName": "" }),
        json!({ "methodName": "m", "responseTimeoutInSeconds": 301 }),
        json!({ "methodName": "m", "responseTimeoutInSeconds": 1 }),
        json!({ "methodName": "m", "connectTimeoutInSeconds": 301 }),
    ] {
        assert_eq!(served.refused(Method::POST, "/twins/dev-1/methods", &body).await, (400, 400_003), "{body}");
    }
}

#[tokio::test]
async fn a_device_that_a_move_has_is_not_at_home() {
    let served = Served::new().await;
    let shown = served.get("/devices/dev-1").await;
    assert_eq!((&shown.body["hub"], &shown.body["status"]), (&json!("lisbon"), &json!("enabled")));
    let _: DeviceState = served.world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    let gone = served.get("/devices/dev-1").await;
    assert_eq!((gone.status.as_u16(), gone.code()), (404, 404_201));
}

#[tokio::test]
async fn a_process_with_hubs_only_says_so_where_it_is_asked_for_more() {
    let served = Served::new().await;
    let hubs = served.get("/hubs").await;
    assert_eq!(hubs.body[0]["name"], "lisbon");
    assert_eq!(hubs.body[0]["status"], json!({ "devices": 1, "sessions": 0 }));
    assert_eq!(served.get("/hubs/lisbon").await.status, 200);
    assert_eq!(served.get("/hubs/oporto").await.code(), 404_201);
    let trigger = json!({ "reason": "r" });
    for (method, path, body) in [
        (Method::POST, "/hubs/lisbon/drain", json!(null)),
        (Method::POST, "/hubs/lisbon/evacuate", json!({ "perMinute": 5 })),
        (Method::POST, "/registrations/dev-1/reprovision", trigger.clone()),
        (Method::POST, "/enrollmentGroups/line-1/reprovision", trigger),
        (Method::GET, "/registrations/dev-1", json!(null)),
        (Method::GET, "/operations", json!(null)),
    ] {
        let told = served.send(method, path, &body).await;
        assert_eq!(told.code(), 404_201, "{path}");
        assert!(told.body["message"].as_str().unwrap().contains("hubs only"), "{path}: {told:?}");
    }
    assert_eq!(served.refused(Method::POST, "/hubs/lisbon/evacuate", &json!({ "perMinute": 0 })).await, (400, 400_003));
}

#[tokio::test]
async fn what_is_no_request_is_told_in_the_same_form() {
    let served = Served::new().await;
    assert_eq!(served.get("/nowhere").await.code(), 404_201);
    assert_eq!(served.refused(Method::DELETE, "/hubs", &json!(null)).await, (405, 405_001));
    assert_eq!(served.get("/operations/7").await.code(), 400_003);
    let large = served.request(Method::POST, "/devices/dev-1/messages").body(vec![0; 300 * 1024]);
    assert_eq!(told(large).await.code(), 413_001);
}

#[tokio::test]
async fn the_socket_is_there_as_long_as_it_is_served() {
    let served = Served::new().await;
    assert_eq!(served.get("/hubs").await.status, 200);
    let socket = served.socket();
    assert!(socket.exists());
    served.stopping.cancel();
    tokio::time::timeout(Duration::from_secs(20), served.task).await.unwrap().unwrap();
    assert!(!socket.exists());
    assert!(serve(&Config::default(), None, vec![], CancellationToken::new()).unwrap().is_none());
}
