//! Why devices move, as four stories: a device goes to another place, changes its owner, gets another purpose, falls ill and recovers.

use std::sync::{Arc, Mutex};

use firsthop_tests::hub::{DESIRED, NOTIFY, dial};
use firsthop_tests::webhook::Answer;
use firsthop_tests::*;
use serde_json::{Value, json};

/// The hub's name behind an answer's address.
fn hub_of(service: &Service, answer: &Value, hubs: &[&str]) -> String {
    let assigned = answer["assignedHub"].as_str().unwrap_or_else(|| panic!("no hub in {answer}"));
    let found = hubs.iter().find(|name| assigned.ends_with(&format!(":{}", service.hub(name).port())));
    (*found.unwrap_or_else(|| panic!("{assigned} is none of {hubs:?}"))).to_owned()
}

/// A container with a tracker is shipped from Lisbon to Singapore. What it has counted goes with it.
#[test]
fn a_tracker_that_is_shipped_round_the_world_moves_to_the_nearest_hub_with_its_state() {
    let pki = Pki::new();
    let hubs = ["lisbon", "singapore"];
    let config = ServiceConfig::without_entries(&pki).embedded("lisbon", "").embedded("singapore", "");
    let service = config.group("trackers", &pki.factory, "allocation = \"geoLatency\"").start();
    let identity = pki.device("container-17");

    // In Lisbon.
    let measured = json!({"latencies": {"lisbon": 8, "singapore": 190}}).to_string();
    let answer = Dial::new(&service, &pki, &identity).connect().register(measured);
    assert_eq!(hub_of(&service, &answer, &hubs), "lisbon");
    let mut tracker = HubClient::connect(&service, &pki, &identity, "container-17", "lisbon");
    tracker.report(&json!({"doorOpenings": 3}));

    // At sea nothing changes. In Singapore it measures again and registers.
    let measured = json!({"latencies": {"lisbon": 180, "singapore": 4}}).to_string();
    let answer = Dial::new(&service, &pki, &identity).connect().register(measured);
    assert_eq!(
        (hub_of(&service, &answer, &hubs).as_str(), &answer["substatus"]),
        ("singapore", &json!("deviceDataMigrated"))
    );
    assert!(matches!(tracker.client.until_end().last(), Some(Packet::Disconnect { code: 0x9d, .. })));
    let mut tracker = HubClient::connect(&service, &pki, &identity, "container-17", "singapore");
    assert_eq!(tracker.report(&json!({"doorOpenings": 4})), 3, "it goes on counting");
}

/// A leased machine goes from one customer to the next, who must find nothing of the first.
#[test]
fn a_machine_that_is_handed_over_to_another_customer_starts_afresh_on_the_new_ones_hub() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"");
    let identity = pki.device("press-4");
    let owned_by = |customer: &str| {
        let entry = format!(
            "allocation = \"static\"\nhubs = [\"{customer}\"]\nreprovision = \"reset\"\n\
             initial_twin = {{ tags = {{ customer = \"{customer}\" }}, desired = {{ shift = \"day\" }} }}"
        );
        config.clone().embedded("acme", "").embedded("umbrella", "").individual("press-4", &identity, &entry)
    };
    let service = owned_by("acme").start();
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!(hub_of(&service, &answer, &["acme", "umbrella"]), "acme");
    HubClient::connect(&service, &pki, &identity, "press-4", "acme").report(&json!({"secretRecipe": 42}));
    service.managed(&["twin", "update", "press-4", "--desired", r#"{"shift":"night"}"#]);
    service.managed(&["device", "send", "press-4", "for acme's eyes only"]);
    assert_eq!(service.terminate().code(), Some(0));

    // The contract ends; the operator changes the entry, and the machine registers.
    let service = owned_by("umbrella").start();
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!(
        (hub_of(&service, &answer, &["acme", "umbrella"]).as_str(), &answer["substatus"]),
        ("umbrella", &json!("deviceDataReset"))
    );
    let refused = dial(&service, &pki, &identity, "press-4", "acme").version(Version::V311).try_connect().1;
    assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{refused:?}");
    let mut machine = HubClient::connect(&service, &pki, &identity, "press-4", "umbrella");
    assert_eq!(machine.twin(), json!({"desired": {"shift": "day", "$version": 1}, "reported": {"$version": 1}}));
    assert_eq!(machine.client.subscribe(&[("devices/press-4/messages/devicebound/#", 1)]), [1]);
    assert_eq!(machine.client.ping().len(), 0, "no message of the first customer waits");
    assert_eq!(service.managed(&["twin", "show", "press-4"])["tags"], json!({"customer": "umbrella"}));
}

/// Sensors of a pilot are taken over by the real solution, which needs what they have reported. Nobody visits them: they are told.
#[test]
fn sensors_are_told_to_leave_the_pilot_for_the_new_solution_and_keep_their_state() {
    let pki = Pki::new();
    let solution = Arc::new(Mutex::new("pilot"));
    let decides = solution.clone();
    let webhook = Webhook::start(move |_| Answer::Say(200, json!({"iotHubHostName": *decides.lock().unwrap()})));
    let config = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"");
    let config = config.embedded("pilot", "").embedded("production", "");
    let group = format!("allocation = \"custom\"\nwebhook = {{ url = \"{}\" }}", webhook.url());
    let service = config.group("sensors", &pki.factory, &group).start();
    let sensors: Vec<_> = (0..3).map(|n| (format!("sensor-{n}"), pki.device(&format!("sensor-{n}")))).collect();
    let mut sessions = Vec::new();
    for (id, identity) in &sensors {
        let answer = Dial::new(&service, &pki, identity).connect().register("{}");
        assert_eq!(hub_of(&service, &answer, &["pilot", "production"]), "pilot");
        let mut session = HubClient::connect(&service, &pki, identity, id, "pilot");
        assert_eq!(session.client.subscribe(&[(NOTIFY, 1)]), [1]);
        session.report(&json!({"calibration": 1.5}));
        sessions.push(session);
    }

    *solution.lock().unwrap() = "production";
    let told = service.managed(&["hub", "reprovision", "pilot", "--reason", "the pilot ends", "--spread", "0s"]);
    assert_eq!(told["told"], 3, "{told}");
    for ((id, identity), mut session) in sensors.iter().zip(sessions) {
        assert_eq!(session.client.message().json()["reason"], "the pilot ends");
        let answer = Dial::new(&service, &pki, identity).connect().register("{}");
        assert_eq!(hub_of(&service, &answer, &["pilot", "production"]), "production");
        let twin = HubClient::connect(&service, &pki, identity, id, "production").twin();
        assert_eq!(twin["reported"], json!({"calibration": 1.5, "$version": 2}));
    }
}

/// A device with old firmware may do nothing but update itself; when it has, it comes back to where it was.
#[test]
fn outdated_devices_are_quarantined_until_they_have_updated_and_then_return() {
    let pki = Pki::new();
    let webhook = Webhook::start(|request| {
        let firmware = request["deviceRuntimeContext"]["payload"]["firmware"].as_u64().unwrap_or_default();
        Answer::Say(
            200,
            match firmware {
                0..=1 => json!({"iotHubHostName": "quarantine", "payload": {"update": "https://updates.example/2"}}),
                _ => json!({"iotHubHostName": "home"}),
            },
        )
    });
    let config = ServiceConfig::without_entries(&pki).set("admin", "socket", "\"admin.sock\"");
    let config = config.embedded("home", "").embedded("quarantine", "");
    let group = format!("allocation = \"custom\"\nwebhook = {{ url = \"{}\" }}", webhook.url());
    let service = config.group("fleet", &pki.factory, &group).start();
    let identity = pki.device("pump-9");
    let firmware = |version: u32| json!({"payload": {"firmware": version}}).to_string();
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();

    let answer = provisioning.register(firmware(2));
    assert_eq!(hub_of(&service, &answer, &["home", "quarantine"]), "home");
    let mut pump = HubClient::connect(&service, &pki, &identity, "pump-9", "home");
    pump.report(&json!({"litres": 120}));

    // It was rolled back by hand, restarts, and registers with what it runs now.
    let answer = provisioning.register(firmware(1));
    assert_eq!(hub_of(&service, &answer, &["home", "quarantine"]), "quarantine");
    assert_eq!(answer["payload"]["update"], "https://updates.example/2", "it learns what to do");
    assert!(matches!(pump.client.until_end().last(), Some(Packet::Disconnect { code: 0x9d, .. })));
    let mut pump = HubClient::connect(&service, &pki, &identity, "pump-9", "quarantine");
    assert_eq!(pump.client.subscribe(&[(DESIRED, 1)]), [1]);
    service.managed(&["twin", "update", "pump-9", "--desired", r#"{"update":"now"}"#]);
    assert_eq!(pump.client.message().json()["update"], "now");
    pump.report(&json!({"firmware": 2}));

    let answer = provisioning.register(firmware(2));
    assert_eq!(hub_of(&service, &answer, &["home", "quarantine"]), "home");
    let twin = HubClient::connect(&service, &pki, &identity, "pump-9", "home").twin();
    assert_eq!(twin["reported"], json!({"litres": 120, "firmware": 2, "$version": 3}));
}
