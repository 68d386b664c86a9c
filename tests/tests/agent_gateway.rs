//! The agent on a gateway whose surroundings do not do what they should: a log that nobody reads, a box that becomes another device.

use std::io::Write;
use std::sync::mpsc::channel;

use firsthop_tests::*;
use serde_json::{Value, json};

/// More than a pipe holds before its writer waits.
const MORE_THAN_A_PIPE: usize = 1024 * 1024;

#[test]
fn an_agent_whose_log_nobody_reads_works_and_ends_when_it_is_told_to() {
    let site = Site::new();
    let config = site.agent();
    let (nobody, mut full) = std::io::pipe().expect("a pipe");
    let filled = full.try_clone().expect("its writing end");
    std::thread::spawn(move || full.write_all(&vec![b' '; MORE_THAN_A_PIPE]));
    let mut agent = config.command().stderr(filled).spawn().expect("the agent starts");
    site.until_registered(1);
    let pid = i32::try_from(agent.id()).expect("a process id");
    // SAFETY: to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    std::thread::scope(|scope| {
        let (wait, waited) = channel();
        scope.spawn(move || wait.send(agent.wait()));
        let ended = waited.recv_timeout(PATIENCE);
        if ended.is_err() {
            // SAFETY: to a child that nobody has seen the end of.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        assert!(ended.expect("it does not wait for its log").expect("a child").success());
    });
    drop(nobody);
}

#[test]
fn what_was_kept_for_the_device_before_is_not_sent_as_another_ones() {
    let site = Site::with_hub_network("");
    let config = site.agent();
    let agent = config.start();
    agent.until_connected();
    site.network.cut();
    site.hub_network().cut();
    agent.until_state("waiting");
    agent.report(&json!({ "of": "the first" }));
    agent.publish("of the first");
    agent.kill();

    config.renew(&site.pki.device("dev-2"));
    site.network.mend();
    site.hub_network().mend();
    let agent = config.start();
    agent.until_connected();
    agent.report(&json!({ "of": "the second" }));
    agent.publish("of the second");
    agent.until_all_sent();
    let twin = site.service.managed(&["twin", "show", "dev-2"]);
    let reported = &twin["properties"]["reported"];
    assert_eq!((&reported["of"], &reported["$version"]), (&json!("the second"), &json!(2)), "{twin}");
    let status = agent.try_status();
    assert_eq!(status["outbox"]["waiting"], Value::from(0), "{status}");
    assert!(agent.config.state("twin.cbor.other-device").exists());
}
