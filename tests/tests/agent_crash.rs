//! An agent that is killed at any moment, again and again, loses nothing that it has acknowledged to a local program.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use firsthop_tests::numbers::Numbers;
use firsthop_tests::webhook::Answer;
use firsthop_tests::*;
use serde_json::{Value, json};

const ROUNDS: usize = 30;
/// Acknowledged reports and messages of a round, at most.
const MOST: usize = 25;
const KEYS: usize = 7;

/// What a local program has handed in.
#[derive(Default)]
struct Handed {
    last: usize,
    /// By key: the last value that was acknowledged, and those that were sent since without an acknowledgement.
    reported: [(usize, Vec<usize>); KEYS],
    published: Vec<usize>,
}

impl Handed {
    /// Hands in until the agent is gone; counts what it acknowledged.
    fn until_killed(&mut self, local: &mut Local, acknowledged: &AtomicUsize) {
        loop {
            self.last += 1;
            let n = self.last;
            let key = n % KEYS;
            self.reported[key].1.push(n);
            if !local.report(&json!({ format!("k{key}"): n })) {
                return;
            }
            self.reported[key] = (n, Vec::new());
            if !local.publish(&n.to_string()) {
                return;
            }
            self.published.push(n);
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Between its kills the device is moved from hub to hub and back.
#[test]
fn nothing_acknowledged_is_lost_when_the_agent_is_killed_again_and_again_while_it_moves() {
    let mut numbers = Numbers::seeded();
    let place = Arc::new(Mutex::new("hub-a"));
    let decides = place.clone();
    let webhook = Webhook::start(move |_| Answer::Say(200, json!({"iotHubHostName": *decides.lock().unwrap()})));
    let site = Site::of_group(&format!(
        "allocation = \"custom\"\nwebhook = {{ url = \"{}\" }}\nresources = {{ events = {{ messages = 1000, bytes = \"1MiB\" }} }}",
        webhook.url()
    ));
    let config = site.agent().set("provisioning", "mode", "\"always-on-startup\"");
    let mut handed = Handed::default();
    for round in 0..ROUNDS {
        let agent = config.start();
        let mut local = agent.local();
        if round % 3 == 2 {
            *place.lock().unwrap() = if round % 2 == 0 { "hub-a" } else { "hub-b" };
            local.ask(&json!({"op": "reprovision", "reset": false}));
        }
        if round % 4 == 1 {
            agent.until_connected();
        }
        let acknowledged = AtomicUsize::new(0);
        let kill_at = numbers.below(MOST);
        std::thread::scope(|scope| {
            let program = scope.spawn(|| handed.until_killed(&mut local, &acknowledged));
            while acknowledged.load(Ordering::SeqCst) < kill_at && !program.is_finished() {
                std::thread::yield_now();
            }
            agent.kill();
        });
    }
    let agent = config.start();
    agent.until_connected_to(&site.address(*place.lock().unwrap()));
    agent.until_all_sent();
    check(&site, &handed);
}

fn check(site: &Site, handed: &Handed) {
    let reported = site.reported();
    for (key, (acknowledged, open)) in handed.reported.iter().enumerate() {
        let found = reported[format!("k{key}")].as_u64().map_or(0, |found| found as usize);
        // What was under way when the agent was killed may have been taken, or not.
        assert!(found == *acknowledged || open.contains(&found), "k{key} is {found}, not {acknowledged}: {reported}");
    }
    let arrived: Vec<usize> = site.events().iter().map(|text| text.parse().expect("a number")).collect();
    let all: BTreeSet<_> = arrived.iter().copied().collect();
    let lost: Vec<_> = handed.published.iter().filter(|n| !all.contains(n)).collect();
    assert!(lost.is_empty(), "lost of {}: {lost:?}", handed.published.len());
    // In their order, but for those that came again.
    let mut seen = BTreeSet::new();
    let first: Vec<_> = arrived.into_iter().filter(|n| seen.insert(*n)).collect();
    assert!(first.is_sorted(), "out of order: {first:?}");
}

#[test]
fn on_a_full_disk_the_agent_refuses_says_so_and_goes_on_when_there_is_room() {
    let site = Site::of_group("resources = { events = { messages = 1000, bytes = \"1MiB\" } }");
    let Some(config) = site.agent().on_a_small_disk("16m") else { return };
    let agent = config.start();
    let status = agent.until_connected();
    agent.publish("before");
    agent.until_all_sent();
    let filler = agent.disk().join("filler");
    fill(&filler);
    let mut local = agent.local();
    let refused = until_refused(|n| local.ask(&json!({"op": "publish", "body": format!("{n}{:2000}", "")})));
    assert_eq!(refused["error"]["code"], "full", "{refused}");
    let refused = until_refused(|n| local.ask(&json!({"op": "report", "patch": {"n": n}})));
    assert_eq!(refused["error"]["code"], "full", "{refused}");
    assert_eq!(agent.try_status()["hub"], status["hub"]);

    std::fs::remove_file(&filler).expect("the filler");
    // Room is noticed with the next request, or with the one after it.
    assert!((0..100).any(|_| local.publish("after")), "there is room, and nothing is taken");
    assert!((0..100).any(|_| local.report(&json!({"after": true}))), "there is room, and nothing is taken");
    agent.until_all_sent();
    assert_eq!(site.reported()["after"], true);
    assert_eq!(site.events().last().map(String::as_str), Some("after"));
}

/// Takes all the room that is left.
fn fill(path: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("a file on the small disk");
    for chunk in [64 * 1024, 512] {
        while file.write_all(&vec![0; chunk]).is_ok() {}
    }
}

/// The first answer that refuses.
fn until_refused(mut ask: impl FnMut(usize) -> Option<Value>) -> Value {
    (0..20_000)
        .find_map(|n| {
            let answer = ask(n).expect("the agent runs");
            (answer["ok"] != true).then_some(answer)
        })
        .expect("a full disk takes no more")
}
