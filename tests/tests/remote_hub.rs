//! Hubs on other machines: the same life for devices, and moves that wait for a hub that is away and are never half done.

use firsthop_certs::Identity;
use firsthop_tests::hub::{dial, dial_at};
use firsthop_tests::proxy::Proxy;
use firsthop_tests::*;
use serde_json::{Value, json};

const GROUP: &str = "allocation = \"geoLatency\"\ninitial_twin = { tags = {}, desired = { interval = 60 } }";

fn nearest(hub: &str, wait: u32) -> String {
    let far = if hub == "hub-a" { "hub-r" } else { "hub-a" };
    json!({ "wait": wait, "latencies": { hub: 5, far: 90 } }).to_string()
}

struct World {
    pki: Pki,
    remote: RemoteHub,
    config: ServiceConfig,
    identity: Identity,
}

impl World {
    /// A service with the embedded `hub-a` and the remote `hub-r`.
    fn new(group: &str) -> Self {
        let pki = Pki::new();
        let remote = RemoteHub::new(&pki, "hub-r");
        let config =
            ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"").embedded("hub-a", "");
        let config = remote.declared(config, &pki).group("factory", &pki.factory, group);
        let identity = pki.device("dev-1");
        Self { pki, remote, config, identity }
    }

    fn register(&self, service: &Service, body: &str) -> Value {
        Dial::new(service, &self.pki, &self.identity).connect().register(body)
    }

    fn on_remote(&self, hub: &Service) -> HubClient {
        HubClient::connect(hub, &self.pki, &self.identity, "dev-1", "hub-r")
    }

    fn on_embedded(&self, service: &Service) -> HubClient {
        HubClient::connect(service, &self.pki, &self.identity, "dev-1", "hub-a")
    }

    /// Asks until the registration is assigned; the last answer.
    fn until_assigned(&self, service: &Service) -> Value {
        let mut client = Dial::new(service, &self.pki, &self.identity).connect();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = client.status("{}");
            if answer["state"] == "assigned" {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "still {answer}");
            // The look-up itself takes a round trip; the service resumes on its own.
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_device_lives_on_a_remote_hub_and_moves_there_and_back_with_its_state() {
    let world = World::new(GROUP);
    let (hub, service) = (world.remote.start(), world.config.start());
    let answer = world.register(&service, &nearest("hub-r", 30));
    assert_eq!((&answer["status"], &answer["assignedHub"]), (&json!(200), &json!(world.remote.told())), "{answer}");
    let mut device = world.on_remote(&hub);
    assert_eq!(device.twin()["desired"], json!({"interval": 60, "$version": 1}));
    assert_eq!(device.report(&json!({"n": 1})), 2);
    service.managed(&["twin", "update", "dev-1", "--desired", r#"{"interval":5}"#]);

    let answer = world.register(&service, &nearest("hub-a", 30));
    assert_eq!((&answer["status"], &answer["substatus"]), (&json!(200), &json!("deviceDataMigrated")), "{answer}");
    let end = device.client.until_end();
    assert!(matches!(end.last(), Some(Packet::Disconnect { .. })), "{end:?}");
    service.until_nothing_runs();
    let twin = world.on_embedded(&service).twin();
    assert_eq!(twin, json!({"desired": {"interval": 5, "$version": 2}, "reported": {"n": 1, "$version": 2}}));
    let refused = dial(&hub, &world.pki, &world.identity, "dev-1", "hub-r").version(Version::V311).try_connect().1;
    assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{refused:?}");

    let answer = world.register(&service, &nearest("hub-r", 30));
    assert_eq!(answer["substatus"], "deviceDataMigrated", "{answer}");
    assert_eq!(world.on_remote(&hub).twin()["reported"], json!({"n": 1, "$version": 2}));
}

#[test]
fn a_move_to_a_hub_that_is_away_is_refused_and_changes_nothing() {
    let world = World::new(GROUP);
    let service = world.config.start();
    assert_eq!(world.register(&service, &nearest("hub-a", 30))["status"], 200);
    world.on_embedded(&service).report(&json!({"n": 1}));
    let answer = world.register(&service, &nearest("hub-r", 30));
    assert_eq!((&answer["status"], &answer["errorCode"]), (&json!(504), &json!(504_001)), "{answer}");
    assert_eq!(answer["action"], "retry");
    assert_eq!(world.on_embedded(&service).twin()["reported"], json!({"n": 1, "$version": 2}));
    let hub = world.remote.start();
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
    assert_eq!(world.on_remote(&hub).twin()["reported"], json!({"n": 1, "$version": 2}));
}

#[test]
fn a_move_whose_old_hub_goes_away_waits_visibly_and_finishes_by_itself() {
    let world = World::new(GROUP);
    let (hub, service) = (world.remote.start(), world.config.start());
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
    world.on_remote(&hub).report(&json!({"n": 1}));
    hub.kill();

    let mut client = Dial::new(&service, &world.pki, &world.identity).connect();
    let answer = client.register(nearest("hub-a", 0));
    assert_eq!((&answer["status"], &answer["state"]), (&json!(202), &json!("assigning")), "{answer}");
    assert!(answer["step"].is_string() && answer["retryAfter"].is_u64(), "{answer}");
    let operations = service.until_something_runs();
    assert_eq!((&operations[0]["registrationId"], &operations[0]["step"]), (&json!("dev-1"), &json!("planned")));

    let hub = world.remote.start();
    // The final state comes by itself, to the connection that asked.
    let answer = client.message().json();
    assert_eq!((&answer["status"], &answer["substatus"]), (&json!(200), &json!("deviceDataMigrated")), "{answer}");
    assert_eq!(world.on_embedded(&service).twin()["reported"], json!({"n": 1, "$version": 2}));
    drop(hub);
}

#[test]
fn a_partition_during_a_move_loses_nothing() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let hub = remote.start();
    let network = Proxy::to(remote.hub_port());
    let config = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"").embedded("hub-a", "");
    let config = remote.declared_at(config, &pki, network.port()).group("factory", &pki.factory, GROUP);
    let identity = pki.device("dev-1");
    let world = World { pki, remote, config, identity };
    let service = world.config.start();
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
    world.on_remote(&hub).report(&json!({"n": 1}));

    network.cut();
    let mut client = Dial::new(&service, &world.pki, &world.identity).connect();
    assert_eq!(client.register(nearest("hub-a", 0))["status"], 202);
    service.until_something_runs();
    service.kill();
    // Cut off from the service the device goes on where it is, unless the fence came through.
    network.mend();
    let service = world.config.start();
    let answer = world.until_assigned(&service);
    assert_eq!(answer["substatus"], "deviceDataMigrated", "{answer}");
    assert_eq!(world.on_embedded(&service).twin()["reported"], json!({"n": 1, "$version": 2}));
    service.until_nothing_runs();
    let old = dial(&hub, &world.pki, &world.identity, "dev-1", "hub-r").version(Version::V311).try_connect().1;
    assert!(matches!(old, Some(Packet::ConnAck { code: 5, .. })), "{old:?}");
}

#[test]
fn a_slow_hub_does_not_hold_up_devices_of_others() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let network = Proxy::to(remote.hub_port());
    let _hub = remote.start();
    let config = ServiceConfig::without_entries(&pki).embedded("hub-a", "");
    let config = remote.declared_at(config, &pki, network.port()).group("factory", &pki.factory, GROUP);
    let service = config.start();
    network.stall();
    let mut slow = Dial::new(&service, &pki, &pki.device("slow")).connect();
    slow.subscribe(&[(REGISTER_RESPONSE, 0)]);
    slow.tell(&Message::new(REGISTER, nearest("hub-r", 30)));
    for n in 0..20 {
        let identity = pki.device(&format!("quick-{n}"));
        let answer = Dial::new(&service, &pki, &identity).connect().register(nearest("hub-a", 30));
        assert_eq!(answer["status"], 200, "{answer}");
    }
    network.mend();
    let answer = slow.message().json();
    assert!(answer["status"] == 200 || answer["status"] == 504, "{answer}");
}

#[test]
fn only_the_service_reaches_the_hub_port() {
    let world = World::new(GROUP);
    let hub = world.remote.start();
    // The certificate is of the same authority, but not of the service.
    let other = world.pki.root.device("somebody.test").unwrap();
    let config = world.config.clone();
    other.replace(config.dir(), "hub-client").unwrap();
    let service = config.start();
    let answer = world.register(&service, &nearest("hub-r", 30));
    assert_eq!(answer["status"], 504, "{answer}");
    hub.log.wait_for("about the caller", |line| line.to_string().contains("somebody.test"));
    let _ = dial_at(&service, &world.pki, &world.identity, "dev-1", "hub-r", hub.hub("hub-r"));
}

#[test]
fn a_device_that_gets_another_name_keeps_its_state_on_a_remote_hub() {
    let world = World::new(GROUP);
    let (hub, service) = (world.remote.start(), world.config.start());
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
    let mut device = world.on_remote(&hub);
    device.report(&json!({"n": 1}));
    assert_eq!(service.terminate().code(), Some(0));

    let entry = "allocation = \"geoLatency\"\ndevice_id = \"Pump-8\"";
    let service = world.config.clone().individual("dev-1", &world.identity, entry).start();
    let answer = world.register(&service, &nearest("hub-r", 30));
    assert_eq!((&answer["status"], &answer["deviceId"]), (&json!(200), &json!("Pump-8")), "{answer}");
    device.client.until_end();
    let mut device = HubClient::connect(&hub, &world.pki, &world.identity, "Pump-8", "hub-r");
    assert_eq!(device.twin()["reported"], json!({"n": 1, "$version": 2}));
    let old = dial(&hub, &world.pki, &world.identity, "dev-1", "hub-r").version(Version::V311).try_connect().1;
    assert!(matches!(old, Some(Packet::ConnAck { code: 5, .. })), "{old:?}");
    // And from there it moves with it.
    assert_eq!(world.register(&service, &nearest("hub-a", 30))["status"], 200);
    let mut device = HubClient::connect(&service, &world.pki, &world.identity, "Pump-8", "hub-a");
    assert_eq!(device.twin()["reported"], json!({"n": 1, "$version": 2}));
}

#[test]
fn a_hub_that_changed_its_place_under_its_name_is_refused_while_it_has_devices() {
    let world = World::new(GROUP);
    let (hub, service) = (world.remote.start(), world.config.start());
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
    assert_eq!(service.terminate().code(), Some(0));
    let moved = world.config.clone().other_entries().embedded("hub-a", "").embedded("hub-r", "");
    let moved = moved.group("factory", &world.pki.factory, GROUP);
    let ended = run(&mut Service::command(&moved));
    assert_ne!(ended.code(), Some(0));
    assert!(ended.stderr.contains("hub-r") && ended.stderr.contains("another name"), "{ended:?}");
    // As it was, it is as it was; and without devices the name is free.
    let service = world.config.start();
    assert_eq!(world.register(&service, &nearest("hub-a", 30))["status"], 200);
    service.until_nothing_runs();
    assert_eq!(service.terminate().code(), Some(0));
    drop(hub);
    let service = moved.start();
    assert_eq!(world.register(&service, &nearest("hub-r", 30))["status"], 200);
}

#[test]
fn devices_of_a_hub_that_is_lost_begin_anew_elsewhere_also_in_the_middle_of_a_move() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let hub = remote.start();
    let base = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"").embedded("hub-a", "");
    let group = |config: ServiceConfig| config.group("factory", &pki.factory, GROUP);
    let identities = ["dev-1", "dev-2"].map(|id| pki.device(id));
    let service = group(remote.declared(base.clone(), &pki)).start();
    for identity in &identities {
        assert_eq!(Dial::new(&service, &pki, identity).connect().register(nearest("hub-r", 30))["status"], 200);
    }
    hub.kill();
    // The first one is on its way when the operator learns that the machine is gone for good.
    let mut waiting = Dial::new(&service, &pki, &identities[0]).connect();
    assert_eq!(waiting.register(nearest("hub-a", 0))["status"], 202);
    service.until_something_runs();
    service.kill();

    let service = group(base).set("provisioning", "lost_hubs", "[\"hub-r\"]").start();
    service.log.wait_for("about the lost hub", |line| line["level"] == "WARN" && line["hub"] == "hub-r");
    service.until_nothing_runs();
    for (id, identity) in ["dev-1", "dev-2"].iter().zip(&identities) {
        let answer = Dial::new(&service, &pki, identity).connect().register(nearest("hub-a", 30));
        assert_eq!(answer["status"], 200, "{answer}");
        let twin = HubClient::connect(&service, &pki, identity, id, "hub-a").twin();
        assert_eq!(twin, json!({"desired": {"interval": 60, "$version": 1}, "reported": {"$version": 1}}));
    }
}
