//! Kill -9 before and after every step of a move, on either side: afterwards the device is where its policy says, with the state that it
//! says, and on no other hub (rule C8).
//!
//! The process ends itself at a step that an environment variable names, by SIGABRT, as suddenly as by SIGKILL. Only builds with debug
//! assertions know the variable.

use std::time::Instant;

use firsthop_tests::hub::dial;
use firsthop_tests::*;
use serde_json::{Value, json};

const FAULT: &str = "FIRSTHOP_FAULT";
/// Steps of the journal at which the service ends.
const STEPS: [&str; 6] = ["planned", "fenced", "copied", "committed", "released", "removed"];
/// What the service asks of a hub on another machine, at which that one ends.
const CALLS: [&str; 4] = ["hub-provision", "hub-release", "hub-fence", "hub-remove"];

fn group(policy: &str) -> String {
    format!(
        "allocation = \"geoLatency\"\nreprovision = \"{policy}\"\ninitial_twin = {{ tags = {{}}, desired = {{ interval = 60 }} }}"
    )
}

fn nearest(hub: &str, wait: u32) -> String {
    let far = if hub == "hub-a" { "hub-r" } else { "hub-a" };
    json!({ "wait": wait, "latencies": { hub: 5, far: 90 } }).to_string()
}

struct World {
    pki: Pki,
    remote: RemoteHub,
    config: ServiceConfig,
    policy: &'static str,
    identity: firsthop_certs::Identity,
}

impl World {
    fn new(policy: &'static str) -> Self {
        let pki = Pki::new();
        let remote = RemoteHub::new(&pki, "hub-r");
        let config =
            ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"").embedded("hub-a", "");
        let config = remote.declared(config, &pki).group("factory", &pki.factory, &group(policy));
        let identity = pki.device("dev-1");
        Self { pki, remote, config, policy, identity }
    }

    fn provisioning(&self, service: &Service) -> Client {
        Dial::new(service, &self.pki, &self.identity).connect()
    }

    fn at<'a>(&self, hub: &str, service: &'a Service, remote: &'a Service) -> (&'a Service, Dial) {
        let process = if hub == "hub-a" { service } else { remote };
        (process, dial(process, &self.pki, &self.identity, "dev-1", hub))
    }

    /// The device lives on `from` and has reported something; the move to `to` has not begun.
    fn settle(&self, from: &str, service: &Service, remote: &Service) {
        let answer = self.provisioning(service).register(nearest(from, 30));
        assert_eq!(answer["status"], 200, "{answer}");
        let client = self.at(from, service, remote).1.connect();
        assert_eq!(HubClient::over(client, "dev-1").report(&json!({"n": 1})), 2);
    }

    /// Registers until the device is assigned, as a device does that was left without an answer.
    fn until_assigned(&self, service: &Service, to: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.provisioning(service).register(nearest(to, 30));
            if answer["status"] == 200 {
                return answer;
            }
            assert!(answer["action"] == "retry" || answer["status"] == 202, "{answer}");
            assert!(Instant::now() < deadline, "still {answer}");
        }
    }

    /// The device is where the policy says, with the state that it says, and nowhere else.
    fn verify(&self, what: &str, from: &str, to: &str, service: &Service, remote: &Service) {
        self.until_assigned(service, to);
        service.until_nothing_runs();
        let (home, left) = if self.policy == "never" { (from, to) } else { (to, from) };
        let client = self.at(home, service, remote).1.try_connect();
        let (client, Some(Packet::ConnAck { code: 0, .. })) = client else { panic!("{what}: not on {home}") };
        let twin = HubClient::over(client, "dev-1").twin();
        let reported = if self.policy == "reset" { json!({"$version": 1}) } else { json!({"n": 1, "$version": 2}) };
        assert_eq!(twin["reported"], reported, "{what}");
        let refused = self.at(left, service, remote).1.version(Version::V311).try_connect().1;
        assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{what}: {left} answers {refused:?}");
    }
}

/// Every step, before and after, for one direction.
fn service_dies(policy: &'static str, from: &'static str, to: &'static str) {
    for step in STEPS {
        for side in ["abort-before", "abort-after"] {
            let what = format!("{policy} from {from} to {to}, {side}:{step}");
            let world = World::new(policy);
            let remote = world.remote.start();
            let service = world.config.start();
            world.settle(from, &service, &remote);
            assert_eq!(service.terminate().code(), Some(0));

            let doomed = world.config.clone().variable(FAULT, &format!("{side}:{step}")).start();
            let mut client = world.provisioning(&doomed);
            client.subscribe(&[(REGISTER_RESPONSE, 0)]);
            client.tell(&Message::new(REGISTER, nearest(to, 30)));
            let status = doomed.wait();
            assert_ne!(status.code(), Some(0), "{what}: the fault was not met");
            drop(client);

            let service = world.config.start();
            world.verify(&what, from, to, &service, &remote);
        }
    }
}

#[test]
fn a_service_that_dies_while_it_migrates_to_a_remote_hub() {
    service_dies("migrate", "hub-a", "hub-r");
}

#[test]
fn a_service_that_dies_while_it_migrates_from_a_remote_hub() {
    service_dies("migrate", "hub-r", "hub-a");
}

#[test]
fn a_service_that_dies_while_it_resets_onto_a_remote_hub() {
    service_dies("reset", "hub-a", "hub-r");
}

#[test]
fn a_service_that_dies_while_it_resets_from_a_remote_hub() {
    service_dies("reset", "hub-r", "hub-a");
}

/// The hub on the other machine dies at each call, before it has done what it is asked and after.
fn hub_dies(policy: &'static str, from: &'static str, to: &'static str) {
    for call in CALLS {
        // What is asked of the hub depends on the direction.
        let asked =
            matches!((call, to), ("hub-provision" | "hub-release", "hub-r") | ("hub-fence" | "hub-remove", "hub-a"));
        for side in ["abort-before", "abort-after"].into_iter().filter(|_| asked) {
            let what = format!("{policy} from {from} to {to}, {side}:{call}");
            let world = World::new(policy);
            let remote = world.remote.start();
            let service = world.config.start();
            world.settle(from, &service, &remote);
            assert_eq!(remote.terminate().code(), Some(0));

            let doomed = world.remote.start_with(FAULT, &format!("{side}:{call}"));
            let mut client = world.provisioning(&service);
            client.subscribe(&[(REGISTER_RESPONSE, 0)]);
            client.tell(&Message::new(REGISTER, nearest(to, 30)));
            assert_ne!(doomed.wait().code(), Some(0), "{what}: the fault was not met");
            let remote = world.remote.start();
            drop(client);
            world.verify(&what, from, to, &service, &remote);
        }
    }
}

#[test]
fn a_remote_hub_that_dies_while_a_device_migrates_to_it() {
    hub_dies("migrate", "hub-a", "hub-r");
}

#[test]
fn a_remote_hub_that_dies_while_a_device_migrates_from_it() {
    hub_dies("migrate", "hub-r", "hub-a");
}

#[test]
fn a_remote_hub_that_dies_while_a_device_is_reset_onto_it() {
    hub_dies("reset", "hub-a", "hub-r");
}

#[test]
fn a_remote_hub_that_dies_while_a_device_is_reset_from_it() {
    hub_dies("reset", "hub-r", "hub-a");
}

/// Between hubs of one process the move is one commit: the process dies before it or after it.
#[test]
fn a_service_that_dies_at_the_commit_of_a_move_between_its_own_hubs() {
    for policy in ["migrate", "reset", "never"] {
        for side in ["abort-before", "abort-after"] {
            let what = format!("{policy}, {side}:commit");
            let pki = Pki::new();
            let config = ServiceConfig::with_hubs(&pki, &group(policy));
            let identity = pki.device("dev-1");
            let request = |hub: &str| {
                let far = if hub == "hub-a" { "hub-b" } else { "hub-a" };
                json!({"latencies": { hub: 5, far: 90 }, "metadata": {"asks": hub}}).to_string()
            };
            let service = config.start();
            assert_eq!(Dial::new(&service, &pki, &identity).connect().register(request("hub-a"))["status"], 200);
            HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").report(&json!({"n": 1}));
            service.kill();

            let doomed = config.clone().variable(FAULT, &format!("{side}:commit")).start();
            let mut client = Dial::new(&doomed, &pki, &identity).connect();
            client.subscribe(&[(REGISTER_RESPONSE, 0)]);
            client.tell(&Message::new(REGISTER, request("hub-b")));
            assert_ne!(doomed.wait().code(), Some(0), "{what}: the fault was not met");
            drop(client);

            let service = config.start();
            let at = Dial::new(&service, &pki, &identity).connect().status("{}");
            let moved = policy != "never" && side == "abort-after";
            let (home, left) = if moved { ("hub-b", "hub-a") } else { ("hub-a", "hub-b") };
            assert!(
                at["assignedHub"].as_str().unwrap().ends_with(&service.hub(home).port().to_string()),
                "{what}: {at}"
            );
            let twin = HubClient::connect(&service, &pki, &identity, "dev-1", home).twin();
            let reported =
                if policy == "reset" && moved { json!({"$version": 1}) } else { json!({"n": 1, "$version": 2}) };
            assert_eq!(twin["reported"], reported, "{what}");
            let refused = dial(&service, &pki, &identity, "dev-1", left).version(Version::V311).try_connect().1;
            assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{what}: {refused:?}");
        }
    }
}

/// The last device left the hub, whose declaration goes before what is left of the move was done.
#[test]
fn a_hub_that_is_not_declared_any_more_is_reached_for_what_is_left_of_a_move() {
    let world = World::new("migrate");
    let remote = world.remote.start();
    let service = world.config.start();
    world.settle("hub-r", &service, &remote);
    assert_eq!(service.terminate().code(), Some(0));
    let doomed = world.config.clone().variable(FAULT, "abort-before:removed").start();
    let answer = world.provisioning(&doomed).register(nearest("hub-a", 30));
    assert!(answer["status"] == 200, "{answer}");
    assert_ne!(doomed.wait().code(), Some(0));

    let without = world.config.clone().other_entries().embedded("hub-a", "");
    let service = without.group("factory", &world.pki.factory, &group("migrate")).start();
    service.until_nothing_runs();
    let twin = HubClient::over(world.at("hub-a", &service, &remote).1.connect(), "dev-1").twin();
    assert_eq!(twin["reported"], json!({"n": 1, "$version": 2}));
    let refused = world.at("hub-r", &service, &remote).1.version(Version::V311).try_connect().1;
    assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{refused:?}");
}
