//! What happens at the same time: registrations of one device, twin writes that race a move, edits while a move runs.

use std::sync::Barrier;

use firsthop_tests::hub::{acknowledged, dial};
use firsthop_tests::*;
use serde_json::{Value, json};

const GROUP: &str = "allocation = \"geoLatency\"";

fn nearest(hub: &str) -> String {
    let far = if hub == "hub-a" { "hub-b" } else { "hub-a" };
    json!({"latencies": { hub: 5, far: 90 }}).to_string()
}

/// The hubs that let the device in.
fn homes(service: &Service, pki: &Pki, identity: &firsthop_certs::Identity) -> Vec<&'static str> {
    let lets_in = |hub: &&str| {
        let answer = dial(service, pki, identity, "dev-1", hub).version(Version::V311).try_connect().1;
        matches!(answer, Some(Packet::ConnAck { code: 0, .. }))
    };
    ["hub-a", "hub-b"].into_iter().filter(lets_in).collect()
}

#[test]
fn two_connections_that_register_one_device_at_once_leave_it_on_one_hub() {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, GROUP).start();
    let identity = pki.device("dev-1");
    let start = Barrier::new(2);
    for _ in 0..20 {
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let ask = |hub: &'static str, client_id: &'static str| {
                let (start, service, pki, identity) = (&start, &service, &pki, &identity);
                scope.spawn(move || {
                    let mut client = Dial::new(service, pki, identity).client_id(client_id).connect();
                    start.wait();
                    client.register(nearest(hub))
                })
            };
            [ask("hub-a", "dev-1/one"), ask("hub-b", "dev-1/two")].map(|thread| thread.join().unwrap()).into()
        });
        for answer in &answers {
            assert!(answer["status"] == 200 || answer["status"] == 409, "{answer}");
        }
        assert!(answers.iter().any(|answer| answer["status"] == 200), "{answers:?}");
        let told = Dial::new(&service, &pki, &identity).connect().status("{}");
        let homes = homes(&service, &pki, &identity);
        assert_eq!(homes.len(), 1, "{answers:?}");
        assert!(told["assignedHub"].as_str().unwrap().ends_with(&service.hub(homes[0]).port().to_string()));
    }
}

#[test]
fn a_twin_write_that_races_a_move_is_either_carried_along_or_not_acknowledged() {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, GROUP).start();
    let identity = pki.device("dev-1");
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(provisioning.register(nearest("hub-a"))["status"], 200);
    provisioning.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let mut sure: Vec<String> = Vec::new();
    for round in 0..10 {
        let (here, there) = if round % 2 == 0 { ("hub-a", "hub-b") } else { ("hub-b", "hub-a") };
        let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", here);
        provisioning.tell(&Message::new(REGISTER, nearest(there)));
        for n in 0..40 {
            let name = format!("r{round}n{n}");
            device.tell_report(&name, &json!({ &name: n }));
        }
        let moved = provisioning.message().json();
        assert_eq!(moved["substatus"], "deviceDataMigrated", "{moved}");
        sure.extend(device.acknowledged_until_end());
        let twin = HubClient::connect(&service, &pki, &identity, "dev-1", there).twin();
        for name in &sure {
            assert!(twin["reported"].get(name).is_some(), "{name} was acknowledged and is lost: {twin}");
        }
    }
    println!("{} patches were acknowledged", sure.len());
}

#[test]
fn a_twin_write_that_races_a_move_to_a_remote_hub_is_not_lost_either() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let config = remote.declared(ServiceConfig::without_entries(&pki).embedded("hub-a", ""), &pki);
    let (hub, service) = (remote.start(), config.group("factory", &pki.factory, GROUP).start());
    let identity = pki.device("dev-1");
    let towards = |near: &str, far: &str| json!({"wait": 30, "latencies": { near: 5, far: 90 }}).to_string();
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(provisioning.register(towards("hub-a", "hub-r"))["status"], 200);
    provisioning.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let mut sure: Vec<String> = Vec::new();
    for round in 0..6 {
        let (here, there) = if round % 2 == 0 { ("hub-a", "hub-r") } else { ("hub-r", "hub-a") };
        let process = |name: &str| if name == "hub-a" { &service } else { &hub };
        let mut device = HubClient::connect(process(here), &pki, &identity, "dev-1", here);
        provisioning.tell(&Message::new(REGISTER, towards(there, here)));
        for n in 0..40 {
            let name = format!("r{round}n{n}");
            device.tell_report(&name, &json!({ &name: n }));
        }
        let moved = provisioning.message().json();
        assert_eq!(moved["substatus"], "deviceDataMigrated", "{moved}");
        sure.extend(device.client.until_end().iter().filter_map(acknowledged));
        let twin = HubClient::connect(process(there), &pki, &identity, "dev-1", there).twin();
        for name in &sure {
            assert!(twin["reported"].get(name).is_some(), "{name} was acknowledged and is lost: {twin}");
        }
    }
}

#[test]
fn the_policy_may_be_edited_while_a_move_runs() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let base = remote.declared(
        ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"").embedded("hub-a", ""),
        &pki,
    );
    let with =
        |policy: &str| base.clone().group("factory", &pki.factory, &format!("{GROUP}\nreprovision = \"{policy}\""));
    let identity = pki.device("dev-1");
    let towards = |near: &str, far: &str| json!({"wait": 0, "latencies": { near: 5, far: 90 }}).to_string();
    let (hub, service) = (remote.start(), with("migrate").start());
    let mut client = Dial::new(&service, &pki, &identity).connect();
    let first = client.register(json!({"wait": 30, "latencies": {"hub-r": 5, "hub-a": 90}}).to_string());
    assert_eq!(first["status"], 200, "{first}");
    HubClient::connect(&hub, &pki, &identity, "dev-1", "hub-r").report(&json!({"n": 1}));
    hub.kill();
    // The move begins, and waits for its hub; then the operator changes the policy.
    assert_eq!(client.register(towards("hub-a", "hub-r"))["status"], 202);
    service.until_something_runs();
    service.kill();
    let service = with("never").start();
    let _hub = remote.start();
    // The move that was decided is carried to its end; from then on the new policy holds.
    let mut client = Dial::new(&service, &pki, &identity).connect();
    let answer = client.register(json!({"wait": 30, "latencies": {"hub-r": 5, "hub-a": 90}}).to_string());
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["assignedHub"].as_str().unwrap().ends_with(&service.hub("hub-a").port().to_string()), "{answer}");
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").twin();
    assert_eq!(twin["reported"], json!({"n": 1, "$version": 2}));
}

/// Devices that register here and there, hubs that are evacuated, moves that are cancelled, and a hub that dies, all at once.
#[test]
fn registrations_evacuations_and_cancelled_moves_leave_each_device_on_one_hub_with_its_state() {
    const FLEET: usize = 6;
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let config = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"");
    let config = remote.declared(config.embedded("hub-a", "").embedded("hub-b", ""), &pki);
    let (hub, service) = (remote.start(), config.group("factory", &pki.factory, GROUP).start());
    let towards = |near: &str| json!({"wait": 10, "latencies": { near: 5, "hub-b": 80 }}).to_string();
    let devices: Vec<_> = (0..FLEET).map(|n| (format!("dev-{n}"), pki.device(&format!("dev-{n}")))).collect();
    for (name, identity) in &devices {
        let answer = Dial::new(&service, &pki, identity).connect().register(towards("hub-r"));
        assert_eq!(answer["status"], 200, "{answer}");
        HubClient::connect(&hub, &pki, identity, name, "hub-r").report(&json!({"of": name}));
    }
    let hub = std::thread::scope(|scope| {
        for (at, (name, identity)) in devices.iter().enumerate() {
            let (service, pki, towards) = (&service, &pki, &towards);
            scope.spawn(move || {
                for round in 0..12 {
                    let near = ["hub-a", "hub-r", "hub-b"][(at + round) % 3];
                    let answer = Dial::new(service, pki, identity).connect().register(towards(near));
                    let status = answer["status"].as_u64().unwrap_or_default();
                    assert!([200, 202, 409, 503, 504].contains(&status), "{name}: {answer}");
                }
            });
        }
        for round in 0..6 {
            let (emptied, other) = if round % 2 == 0 { ("hub-r", "hub-a") } else { ("hub-a", "hub-r") };
            service.manage(&["hub", "evacuate", other, "--stop"]);
            service.manage(&["hub", "undrain", other]);
            service.manage(&["hub", "evacuate", emptied, "--per-minute", "60000"]);
            for running in service.running_operations() {
                service.manage(&["operation", "cancel", running["operationId"].as_str().unwrap_or_default()]);
            }
        }
        hub.kill();
        remote.start()
    });
    for name in ["hub-a", "hub-r"] {
        service.manage(&["hub", "evacuate", name, "--stop"]);
    }
    service.until_nothing_runs();
    for (name, identity) in &devices {
        let told = Dial::new(&service, &pki, identity).connect().status("{}");
        assert_eq!(told["state"], "assigned", "{told}");
        let mut homes = Vec::new();
        for (process, place) in [(&service, "hub-a"), (&service, "hub-b"), (&hub, "hub-r")] {
            let dialled = dial(process, &pki, identity, name, place).version(Version::V311).try_connect();
            if let (client, Some(Packet::ConnAck { code: 0, .. })) = dialled {
                homes.push(process.hub(place));
                assert_eq!(HubClient::over(client, name).twin()["reported"]["of"], json!(name), "{name} on {place}");
            }
        }
        assert_eq!(homes.len(), 1, "{name}: {homes:?}, told {told}");
        assert!(told["assignedHub"].as_str().unwrap().ends_with(&homes[0].port().to_string()), "{told}");
    }
}
