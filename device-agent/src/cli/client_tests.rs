//! The clients of the local socket, against one that is served in the same process.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use clap::Parser;
use firsthop_agent::disk::Telemetry;
use firsthop_agent::twin::Desired;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};

use super::*;
use crate::gateway::local::{Inbound, Local, Messages, open, serve};
use crate::gateway::tests::{Asked, FakeDevice};

/// A gateway on a thread of its own, until it is dropped.
struct Gateway {
    folder: TempDir,
    asked: UnboundedReceiver<Asked>,
    messages: Messages,
    desired: watch::Sender<Option<Arc<Desired>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (device, asked) = FakeDevice::new();
        let (messages, desired) = (Messages::default(), watch::Sender::new(None));
        let managers = watch::Sender::new(Vec::new()).subscribe();
        let local = Local { device, desired: desired.subscribe(), messages: messages.clone(), managers };
        let (end, ended) = oneshot::channel();
        let (open_it, opened) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            runtime().unwrap().block_on(async {
                let socket = open(&path).unwrap();
                open_it.send(()).unwrap();
                tokio::select! {
                    () = serve(socket, local) => {}
                    _ = ended => {}
                }
            });
        });
        opened.recv().unwrap();
        Self { folder, asked, messages, desired, end: Some(end), thread: Some(thread) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// The exit code of a command.
    fn run(&self, command: &[&str]) -> u8 {
        ended(command, &self.socket())
    }

    /// What the device was asked for since the last time.
    fn asked(&mut self) -> Option<Asked> {
        self.asked.try_recv().ok()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.end.take());
        self.thread.take().map(thread::JoinHandle::join);
    }
}

fn ended(command: &[&str], socket: &std::path::Path) -> u8 {
    let socket = ["--socket", socket.to_str().unwrap()];
    let args = Args::try_parse_from([&["firsthop-agent"], &command[..1], &socket, &command[1..]].concat()).unwrap();
    let ended = match &args.command {
        Command::Status(args) => status::run(args),
        Command::Publish(args) => publish::run(args),
        Command::Report(args) => report::run(args),
        Command::Twin(args) => twin::run(args),
        Command::Messages(args) => messages::run(args),
        Command::Reprovision(args) => reprovision::run(args),
        other => panic!("{other:?}"),
    };
    ended.unwrap_or_else(|error| error.exit())
}

#[test]
fn status_and_twin_are_told() {
    let gateway = Gateway::start();
    for command in [&["status"][..], &["status", "--output", "json"], &["twin"]] {
        assert_eq!(gateway.run(command), exit::OK, "{command:?}");
    }
}

#[test]
fn what_is_published_comes_to_the_device_as_it_is() {
    let mut gateway = Gateway::start();
    let file = gateway.folder.path().join("body");
    std::fs::write(&file, [0xff, 0]).unwrap();
    let file = format!("@{}", file.display());
    assert_eq!(gateway.run(&["publish", "--property", "site=a b", "--property", "flag", "-21"]), exit::OK);
    assert_eq!(gateway.asked(), Some(Asked::Publish("flag&site=a%20b".to_owned(), b"-21".to_vec())));
    assert_eq!(gateway.run(&["publish", &file]), exit::OK);
    assert_eq!(gateway.asked(), Some(Asked::Publish(String::new(), vec![0xff, 0])));
    // As JSON text it would be longer than a line may be.
    let quotes = vec![b'"'; Telemetry::MAX_BODY];
    std::fs::write(gateway.folder.path().join("body"), &quotes).unwrap();
    assert_eq!(gateway.run(&["publish", &file]), exit::OK);
    assert_eq!(gateway.asked(), Some(Asked::Publish(String::new(), quotes)));
    assert_eq!(gateway.run(&["publish", "too much"]), exit::UNAVAILABLE);
    assert_eq!(gateway.run(&["publish", "@/no/such/file"]), exit::FAILURE);
}

#[test]
fn a_report_and_a_wish_to_register_again_come_to_the_device() {
    let mut gateway = Gateway::start();
    assert_eq!(gateway.run(&["report", r#"{"a":null}"#]), exit::OK);
    let patch = serde_json::json!({ "a": null }).as_object().cloned().unwrap();
    assert_eq!(gateway.asked(), Some(Asked::Report(patch)));
    assert_eq!(gateway.run(&["reprovision", "--reset"]), exit::OK);
    assert_eq!(gateway.asked(), Some(Asked::RegisterAgain(true)));
}

#[test]
fn messages_are_accepted_one_by_one_after_they_were_printed() {
    let mut gateway = Gateway::start();
    let socket = gateway.socket();
    let taking = thread::spawn(move || ended(&["messages", "--count", "2"], &socket));
    assert_eq!(gateway.asked.blocking_recv(), Some(Asked::WantMessages(true)));
    let (accept, accepted) = std::sync::mpsc::channel();
    for number in 1..=3 {
        let accept = accept.clone();
        let body = Bytes::from(format!("message {number}"));
        gateway.messages.push(Inbound::new(Vec::new(), body, move || accept.send(number).unwrap()));
    }
    assert_eq!(taking.join().unwrap(), exit::OK);
    assert_eq!(gateway.asked.blocking_recv(), Some(Asked::WantMessages(false)));
    drop(accept);
    assert_eq!(accepted.iter().collect::<Vec<_>>(), [1, 2], "the third one is given back");
}

#[test]
fn watching_ends_with_the_agent() {
    let mut gateway = Gateway::start();
    gateway.desired.send_replace(Some(Arc::default()));
    let socket = gateway.socket();
    let watching = thread::spawn(move || ended(&["twin", "--watch"], &socket));
    // A client that came after it was answered: the first one is being served.
    while gateway.desired.receiver_count() < 3 {
        assert_eq!(gateway.run(&["twin"]), exit::OK);
    }
    drop(gateway.end.take());
    assert_eq!(watching.join().unwrap(), exit::UNAVAILABLE);
}

#[test]
fn without_an_agent_it_is_said_that_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["status"][..], &["publish", "x"], &["messages"], &["twin", "--watch"], &["reprovision"]] {
        assert_eq!(ended(command, &folder.path().join("agent.sock")), exit::UNAVAILABLE, "{command:?}");
    }
}
