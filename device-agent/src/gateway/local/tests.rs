//! The protocol, as a local program speaks it.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::gateway::tests::{Asked, FakeDevice};

/// A socket that is served.
struct Gateway {
    path: PathBuf,
    asked: UnboundedReceiver<Asked>,
    desired: watch::Sender<Option<Arc<Desired>>>,
    messages: Messages,
    _managers: watch::Sender<Vec<u32>>,
    _folder: TempDir,
    task: JoinHandle<()>,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (device, asked) = FakeDevice::new();
        let (desired, managers, messages) = (watch::Sender::new(None), watch::Sender::default(), Messages::default());
        let local =
            Local { device, desired: desired.subscribe(), messages: messages.clone(), managers: managers.subscribe() };
        let task = tokio::spawn(serve(open(&path).unwrap(), local));
        Self { path, asked, desired, messages, _managers: managers, _folder: folder, task }
    }

    async fn client(&self) -> Client {
        Client(BufReader::new(UnixStream::connect(&self.path).await.unwrap()))
    }

    /// A message from the hub, and where its acceptance is told.
    fn message(&self, body: &'static [u8]) -> oneshot::Receiver<()> {
        let properties = vec![("a".to_owned(), Some("b".to_owned())), ("flag".to_owned(), None)];
        let (accept, accepted) = oneshot::channel();
        self.messages.push(Inbound::new(properties, Bytes::from_static(body), || accept.send(()).unwrap()));
        accepted
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn send(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.send(line).await;
        self.answer().await
    }

    async fn is_closed(&mut self) -> bool {
        self.0.read_line(&mut String::new()).await.unwrap() == 0
    }
}

fn code(answer: &Value) -> &str {
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn each_request_is_answered_in_turn_on_one_connection() {
    let mut gateway = Gateway::start();
    let mut client = gateway.client().await;
    let status = client.ask(r#"{"op":"status"}"#).await;
    assert_eq!((&status["ok"], &status["status"]["onHub"]), (&json!(true), &json!(true)));
    let done = json!({ "ok": true });
    assert_eq!(client.ask(r#"{"op":"publish","properties":{"site":"x"},"body":"21"}"#).await, done);
    assert_eq!(client.ask(r#"{"op":"report","patch":{"door":"open","old":null}}"#).await, done);
    assert_eq!(client.ask(r#"{"op":"reprovision","reset":true}"#).await, done);
    let twin = client.ask(r#"{"op":"twin"}"#).await;
    assert_eq!(twin, json!({ "ok": true, "desired": { "interval": 5 }, "version": 7 }));
    let patch = json!({ "door": "open", "old": null }).as_object().cloned().unwrap();
    for expected in
        [Asked::Publish("site=x".to_owned(), b"21".to_vec()), Asked::Report(patch), Asked::RegisterAgain(true)]
    {
        assert_eq!(gateway.asked.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_the_connection_goes_on() {
    let mut gateway = Gateway::start();
    let mut client = gateway.client().await;
    assert_eq!(code(&client.ask(r#"{"op":"sing"}"#).await), "badRequest");
    assert_eq!(code(&client.ask(r#"{"op":"publish","body":"too much"}"#).await), "full");
    gateway.asked.close();
    assert_eq!(code(&client.ask(r#"{"op":"reprovision"}"#).await), "stopping");
    assert_eq!(client.ask(r#"{"op":"twin"}"#).await["ok"], true);
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_ends_the_connection() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    let half = vec![b'x'; lines::MAX_LINE + 1];
    client.0.write_all(&half).await.unwrap();
    assert_eq!(code(&client.answer().await), "tooLarge");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn watching_begins_with_what_is_known_and_ends_with_the_last_change() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    assert_eq!(client.ask(r#"{"op":"watch"}"#).await, json!({ "ok": true, "desired": null, "version": null }));
    for version in [1, 2] {
        gateway.desired.send_replace(Some(Arc::new(Desired { version, ..Desired::default() })));
    }
    assert_eq!(client.answer().await, json!({ "ok": true, "desired": {}, "version": 2 }));
    assert_eq!(code(&client.ask(r#"{"op":"twin"}"#).await), "badRequest");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_message_is_accepted_by_the_client_before_the_hub_is_told() {
    let mut gateway = Gateway::start();
    let mut client = gateway.client().await;
    assert_eq!(client.ask(r#"{"op":"messages"}"#).await, json!({ "ok": true }));
    assert_eq!(gateway.asked.recv().await, Some(Asked::WantMessages(true)));
    let (mut first, second) = (gateway.message(b"one"), gateway.message(b"\xff"));
    let expected = json!({ "ok": true, "message": 1, "properties": { "a": "b", "flag": null }, "body": "one" });
    assert_eq!(client.answer().await, expected);
    assert!(first.try_recv().is_err(), "not yet");
    client.send(r#"{"accept":1}"#).await;
    first.await.unwrap();
    assert_eq!(client.answer().await["bodyBase64"], "/w==");
    assert_eq!(code(&client.ask(r#"{"accept":7}"#).await), "badRequest");
    assert!(client.is_closed().await);
    assert_eq!(gateway.asked.recv().await, Some(Asked::WantMessages(false)));
    drop(gateway.task);
    drop(second);
}

#[tokio::test]
async fn one_client_at_a_time_takes_messages_and_gives_back_what_it_did_not_accept() {
    let mut gateway = Gateway::start();
    assert!(gateway.message(b"before").await.is_err(), "nobody takes it, so it is given back at once");
    let mut first = gateway.client().await;
    first.ask(r#"{"op":"messages"}"#).await;
    let (taken, waiting) = (gateway.message(b"one"), gateway.message(b"two"));
    assert_eq!(first.answer().await["body"], "one");
    let mut second = gateway.client().await;
    assert_eq!(code(&second.ask(r#"{"op":"messages"}"#).await), "busy");
    drop(first);
    assert!(taken.await.is_err());
    assert!(waiting.await.is_err());
    for want in [true, false] {
        assert_eq!(gateway.asked.recv().await, Some(Asked::WantMessages(want)));
    }
    // The right to take messages is free when the device has been told.
    while second.ask(r#"{"op":"messages"}"#).await["ok"] == false {}
    let accepted = gateway.message(b"one");
    assert_eq!(second.answer().await["body"], "one");
    second.send(r#"{"accept":1}"#).await;
    accepted.await.unwrap();
}

#[tokio::test]
async fn a_user_with_too_many_connections_is_told_so() {
    let gateway = Gateway::start();
    let mut clients = Vec::new();
    for _ in 0..shares::MAX_PER_USER {
        let mut client = gateway.client().await;
        client.ask(r#"{"op":"twin"}"#).await;
        clients.push(client);
    }
    let mut further = gateway.client().await;
    assert_eq!(code(&further.answer().await), "busy");
    assert!(further.is_closed().await);
    clients.clear();
    gateway.task.abort();
}
