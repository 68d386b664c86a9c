//! Draining a hub and moving its devices away, as an operator does it at run time.

use std::time::Instant;

use firsthop_certs::Identity;
use firsthop_tests::hub::dial;
use firsthop_tests::packet::property::SERVER_REFERENCE;
use firsthop_tests::packet::text_of;
use firsthop_tests::*;
use serde_json::{Value, json};

fn register(service: &Service, pki: &Pki, identity: &Identity) -> Value {
    let answer = Dial::new(service, pki, identity).connect().register("{}");
    assert_eq!(answer["status"], 200, "{answer}");
    answer
}

fn is_on(service: &Service, answer: &Value, hub: &str) -> bool {
    answer["assignedHub"].as_str().unwrap().ends_with(&format!(":{}", service.hub(hub).port()))
}

/// A device id that the hashed policy gives to that hub, when both are open.
fn devices_of(service: &Service, pki: &Pki, hub: &str, wanted: usize) -> Vec<(String, Identity)> {
    let mut found = Vec::new();
    for n in 0..200 {
        let id = format!("dev-{n}");
        let identity = pki.device(&id);
        if is_on(service, &register(service, pki, &identity), hub) {
            found.push((id, identity));
            if found.len() == wanted {
                return found;
            }
        }
    }
    panic!("the hash gave {hub} {} devices of 200", found.len());
}

#[test]
fn a_drained_hub_takes_no_new_devices_and_keeps_those_it_has_also_after_a_restart() {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, "").start();
    let config = service.config.clone();
    let old = devices_of(&service, &pki, "hub-a", 2);
    let hub = service.managed(&["hub", "drain", "hub-a"]);
    assert_eq!((&hub["name"], &hub["drained"]), (&json!("hub-a"), &json!(true)), "{hub}");
    service.kill();
    let service = config.start();
    for n in 0..12 {
        let answer = register(&service, &pki, &pki.device(&format!("new-{n}")));
        assert!(is_on(&service, &answer, "hub-b"), "{answer}");
    }
    for (_, identity) in &old {
        assert!(is_on(&service, &register(&service, &pki, identity), "hub-a"));
    }
    let hub = service.managed(&["hub", "undrain", "hub-a"]);
    assert_eq!(hub["drained"], false, "{hub}");
    devices_of(&service, &pki, "hub-a", 3);
    let missing = service.manage(&["hub", "drain", "hub-z"]);
    assert_eq!(missing.code(), Some(3), "{missing:?}");
}

#[test]
fn devices_of_a_drained_hub_are_moved_away_with_their_state_and_told_where_to() {
    let pki = Pki::new();
    let stays = pki.device("stays");
    let config = ServiceConfig::with_hubs(&pki, "");
    let service = config
        .individual("stays", &stays, "reprovision = \"never\"\nallocation = \"static\"\nhubs = [\"hub-a\"]")
        .start();
    let devices = devices_of(&service, &pki, "hub-a", 5);
    register(&service, &pki, &stays);
    let mut sessions = Vec::new();
    for (id, identity) in &devices {
        let mut session = HubClient::connect(&service, &pki, identity, id, "hub-a");
        session.report(&json!({"of": id}));
        sessions.push(session);
    }
    service.managed(&["hub", "drain", "hub-a"]);
    service.managed(&["hub", "evacuate", "hub-a", "--per-minute", "6000"]);
    let address = format!("localhost:{}", service.hub("hub-b").port());
    for ((id, identity), mut session) in devices.iter().zip(sessions) {
        let end = session.client.until_end();
        let Some(Packet::Disconnect { code: 0x9d, properties }) = end.last() else { panic!("{id}: {end:?}") };
        assert_eq!(text_of(properties, SERVER_REFERENCE), Some(address.clone()));
        let twin = HubClient::connect(&service, &pki, identity, id, "hub-b").twin();
        assert_eq!(twin["reported"], json!({"of": id, "$version": 2}));
        assert!(is_on(&service, &Dial::new(&service, &pki, identity).connect().status("{}"), "hub-b"));
    }
    // It is done when nobody is left who may leave; who has to stay is told of.
    let deadline = Instant::now() + PATIENCE;
    let hub = loop {
        let hub = service.managed(&["hub", "show", "hub-a"]);
        if hub["evacuation"].is_null() {
            break hub;
        }
        assert!(Instant::now() < deadline, "{hub}");
    };
    assert_eq!(hub["registrations"], 1, "{hub}");
    let answer = dial(&service, &pki, &stays, "stays", "hub-a").try_connect().1;
    assert!(matches!(answer, Some(Packet::ConnAck { code: 0, .. })), "{answer:?}");
    let left = service.managed(&["hub", "devices", "hub-a"]);
    assert!(left.to_string().contains("stays"), "{left}");
}
