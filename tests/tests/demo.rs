//! The demo, as it is run first.

use std::process::Command;

use firsthop_tests::*;
use serde_json::Value;

fn demo(arguments: &[&str]) -> (tempfile::TempDir, Command) {
    let folder = tempfile::Builder::new().prefix("demo-").tempdir().unwrap();
    let mut command = Command::new(binary("firsthop"));
    command.args(["demo", "--port", "0", "--dir"]).arg(folder.path().join("demo")).args(arguments);
    (folder, command)
}

#[test]
fn the_demo_registers_a_fleet_and_shows_hubs_and_refusals() {
    let (_folder, mut command) = demo(&["--exit", "--devices", "20"]);
    let ended = run(&mut command);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let text = ended.text();
    for words in [
        "20 assigned",
        "hub-lisbon",
        "hub-berlin",
        "hub-austin",
        "3 refused",
        "expired",
        "unknown issuer",
        "enrollment disabled",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours and no cursor movements outside a terminal");
}

#[test]
fn the_demo_prints_events_as_json() {
    let (_folder, mut command) = demo(&["--exit", "--devices", "5", "--output", "json"]);
    let ended = run(&mut command);
    let events: Vec<Value> =
        ended.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let outcome = events.iter().find(|event| event["event"] == "outcome").unwrap();
    assert_eq!((&outcome["assigned"], outcome["refused"].as_array().unwrap().len()), (&5.into(), 3), "{outcome}");
    assert_eq!(outcome["surprises"], serde_json::json!([]));
    assert_eq!(events.iter().filter(|event| event["event"] == "device").count(), 8);
}

#[test]
fn while_the_demo_runs_anybody_can_be_one_of_its_devices() {
    let (folder, mut command) = demo(&["--devices", "2", "--output", "json"]);
    let mut running = Running::start(&mut command);
    running.wait_for(r#""event":"ready""#);
    let request = ["-t", REGISTER, "-e", REGISTER_RESPONSE, "-m", "{}", "-W", "20"];
    let device =
        |name: &str| mosquitto::with_options_of(&folder.path().join("demo").join(name), "mosquitto_rr", &request);
    let answer = device("dev-0001");
    assert_eq!(answer.json()["status"], 200, "{answer:?}");
    // It lives on its hub, and an operator sees it there.
    let shown = run(Command::new(binary("firsthop"))
        .args(["twin", "show", "dev-0001", "--output", "json", "--socket"])
        .arg(folder.path().join("demo/admin.sock")));
    assert_eq!(shown.json()["properties"]["desired"]["interval"], 60, "{shown:?}");
    let port = answer.json()["assignedHub"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let twin = [
        "-p",
        &port,
        "-i",
        "dev-0001",
        "-t",
        "$iothub/twin/GET/?$rid=1",
        "-e",
        "$iothub/twin/res/200/?$rid=1",
        "-m",
        " ",
    ];
    let read = mosquitto::with_options_of(&folder.path().join("demo/dev-0001"), "mosquitto_rr", &twin);
    assert_eq!(read.json()["desired"]["interval"], 60, "{read:?}");
    assert_eq!(device("dev-expired").json()["errorCode"], 401_003);
    running.signal(libc::SIGINT);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn the_demo_can_be_run_again_in_its_folder_and_not_in_another_ones() {
    let (folder, mut command) = demo(&["--exit", "--devices", "3"]);
    assert_eq!(run(&mut command).code(), Some(0));
    assert_eq!(run(&mut command).code(), Some(0));
    std::fs::write(folder.path().join("diary.txt"), "dear diary").unwrap();
    let mut elsewhere = Command::new(binary("firsthop"));
    elsewhere.args(["demo", "--port", "0", "--exit", "--dir"]).arg(folder.path());
    let ended = run(&mut elsewhere);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("--dir"), "{ended:?}");
}
