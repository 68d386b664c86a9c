//! The operators' commands, against a service in the same process.

use std::thread;

use clap::CommandFactory;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin;
use crate::hub::tests::{World, identity};

/// A process with one hub, `lisbon`, that has `dev-1`.
struct Service {
    folder: TempDir,
    stopping: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Service {
    fn start() -> Self {
        let (folder, stopping) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let config = admin::Config { socket: Some(folder.path().join("admin.sock")) };
        let (open, opened) = std::sync::mpsc::channel();
        let ends = stopping.clone();
        let thread = thread::spawn(move || {
            runtime().unwrap().block_on(async {
                let world = World::with(identity("dev-1")).await;
                let task = admin::serve(&config, None, vec![world.hub.clone()], ends).unwrap().unwrap();
                open.send(()).unwrap();
                task.await.unwrap();
            });
        });
        opened.recv().unwrap();
        Self { folder, stopping, thread: Some(thread) }
    }

    fn run(&self, command: &[&str]) -> Exit {
        let socket = self.folder.path().join("admin.sock");
        let socket = ["--socket", socket.to_str().unwrap()];
        let arguments = Arguments::try_parse_from([&["firsthop"], command, &socket[..]].concat()).unwrap();
        arguments.command.run()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.thread.take().map(thread::JoinHandle::join);
    }
}

#[test]
fn the_command_line_is_consistent_and_every_command_has_an_example() {
    Arguments::command().debug_assert();
    fn without_example(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            let about = below.get_long_about().or(below.get_about()).map(ToString::to_string).unwrap_or_default();
            let is_group = below.get_subcommands().next().is_some();
            if !is_group && !about.contains(&format!("Example: {path}")) {
                found.push(path.clone());
            }
            without_example(below, &path, found);
        }
    }
    let mut found = Vec::new();
    without_example(&Arguments::command(), "firsthop", &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn each_end_of_a_command_has_its_exit_code() {
    let service = Service::start();
    for (command, exit) in [
        (&["hub", "list"][..], Exit::Done),
        (&["hub", "list", "--output", "json"], Exit::Done),
        (&["hub", "show", "lisbon"], Exit::Done),
        (&["hub", "show", "oporto"], Exit::NotFound),
        (&["twin", "show", "dev-1"], Exit::Done),
        (&["twin", "update", "dev-1", "--tags", r#"{"site":"lisbon"}"#], Exit::Done),
        (&["twin", "update", "dev-1", "--tags", "{}", "--if-match", "77"], Exit::Conflict),
        (&["twin", "replace", "dev-1", "--desired", r#"{"$bad":1}"#], Exit::Refused),
        (&["twin", "show", "dev-2"], Exit::NotFound),
        (&["device", "show", "dev-1"], Exit::Done),
        (&["device", "send", "dev-1", "open", "--property", "$.mid=4 2", "--expires-in", "1h"], Exit::Done),
        (&["device", "events", "dev-1"], Exit::Done),
        (&["device", "invoke", "dev-1", "reboot"], Exit::NotFound),
        (&["registration", "show", "dev-1"], Exit::NotFound),
        (&["operation", "list"], Exit::NotFound),
        (&["group", "reprovision", "line-1", "--spread", "10m"], Exit::NotFound),
    ] {
        assert_eq!(service.run(command), exit, "{command:?}");
    }
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    let mut service = Service::start();
    service.stopping.cancel();
    service.thread.take().unwrap().join().unwrap();
    assert_eq!(service.run(&["hub", "list"]), Exit::Unreachable);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    for command in [
        &["hub", "evacuate", "lisbon"][..],
        &["hub", "evacuate", "lisbon", "--per-minute", "5", "--stop"],
        &["hub", "show", "a/b"],
        &["twin", "update", "dev-1"],
        &["twin", "update", "dev-1", "--tags", "[]"],
        &["operation", "show", "7"],
        &["device", "send", "dev-1"],
        &["device", "send", "dev-1", "x", "--property", "=1"],
        &["hub", "reprovision", "lisbon", "--spread", "10"],
    ] {
        let error = Arguments::try_parse_from([&["firsthop"], command].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{command:?}");
    }
}
