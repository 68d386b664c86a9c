//! Devices that leave their hub: told by the hub, by the service, by a person, by their own configuration.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firsthop_tests::packet::Property;
use firsthop_tests::packet::property::SERVER_REFERENCE;
use firsthop_tests::scripted::{Script, Scripted};
use firsthop_tests::site::DEVICE;
use firsthop_tests::webhook::Answer;
use firsthop_tests::*;
use serde_json::{Value, json};

#[test]
fn a_device_whose_hub_is_evacuated_finds_its_state_on_the_new_one() {
    Version::in_both(|version| {
        let site = Site::new();
        let agent = site.agent().version(version).start();
        agent.until_connected();
        agent.report(&json!({"n": 1}));
        agent.until_all_sent();
        let (old, new) = (site.hub(), site.other_hub());
        site.service.managed(&["hub", "drain", &old]);
        site.service.managed(&["hub", "evacuate", &old, "--per-minute", "6000"]);
        agent.until_connected_to(&site.address(new));
        agent.report(&json!({"n": 2}));
        agent.until_all_sent();
        assert_eq!(site.reported(), json!({"n": 2, "$version": 3}), "{version:?}");
    });
}

#[test]
fn a_hub_that_names_the_new_one_is_followed_without_a_registration_where_the_configuration_allows_it() {
    let site = Site::new();
    let agent = site.agent().set("hub", "allowed", "[\"localhost\"]").start();
    agent.until_connected();
    let (old, new) = (site.hub(), site.other_hub());
    site.service.managed(&["hub", "drain", &old]);
    site.service.managed(&["hub", "evacuate", &old, "--per-minute", "6000"]);
    agent.until_connected_to(&site.address(new));
    assert_eq!((site.registrations(), site.network.connections()), (1, 1));
    // It stays so.
    agent.killed_and_started().until_connected_to(&site.address(new));
    assert_eq!(site.network.connections(), 1);
}

#[test]
fn a_hub_that_names_a_host_outside_the_allowed_ones_is_not_followed() {
    let pki = Pki::new();
    let (hub, elsewhere) = (Scripted::start(&pki, Script::hub()), Scripted::start(&pki, Script::hub()));
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let config = AgentConfig::new(&pki, &pki.device(DEVICE), service.port());
    let agent = config.set("hub", "allowed", "[\".hubs.example\"]").start();
    agent.until_connected_to(&hub.host());
    hub.disconnect(0x9d, vec![Property::Bytes(SERVER_REFERENCE, elsewhere.host().into_bytes())]);
    service.nth_published(REGISTER, 1);
    hub.arrival(1);
    let status = agent.until_connected_to(&hub.host());
    assert!(status["failures"].to_string().contains(&elsewhere.host()), "it says so: {status}");
    assert_eq!(elsewhere.arrivals(), 0);
}

/// A device in quarantine goes back to where it was, each time because its enrollment says so and somebody tells it to ask.
#[test]
fn a_device_is_quarantined_and_returns_with_its_state() {
    let place = Arc::new(Mutex::new("home"));
    let decides = place.clone();
    let webhook = Webhook::start(move |_| Answer::Say(200, json!({"iotHubHostName": *decides.lock().unwrap()})));
    let group = format!("allocation = \"custom\"\nwebhook = {{ url = \"{}\" }}", webhook.url());
    let site = Site::with(|pki| {
        let config = ServiceConfig::without_entries(pki).set("admin", "socket", "\"admin.sock\"");
        config.embedded("home", "").embedded("quarantine", "").group("factory", &pki.factory, &group)
    });
    let agent = site.agent().start();
    agent.until_connected_to(&site.address("home"));
    agent.report(&json!({"litres": 120}));
    for (next, version) in [("quarantine", 2), ("home", 3)] {
        *place.lock().unwrap() = next;
        agent.until_all_sent();
        let tell = ["registration", "reprovision", DEVICE, "--reason", "the firmware", "--spread", "0s"];
        assert_eq!(site.service.managed(&tell)["told"], 1);
        agent.until_connected_to(&site.address(next));
        agent.report(&json!({"seen": next}));
        agent.until_all_sent();
        assert_eq!(site.reported(), json!({"litres": 120, "seen": next, "$version": version + 1}));
    }
}

#[test]
fn a_notice_with_a_spread_waits_visibly_and_a_person_waits_for_nothing() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected_to(&hub.host());
    let not_before = "2100-01-01T00:00:00Z";
    let notice = json!({"reason": "a new site", "notBefore": not_before, "spread": 30});
    hub.push(Message::new("$provisioning/notify", notice.to_string()));
    let status = agent.until("told", |status| status["next"]["action"] == "register");
    assert!(status["next"]["why"].as_str().is_some_and(|why| why.contains("a new site")), "{status}");
    assert!(agent.next_in(&status) > Duration::from_secs(60), "{status}");
    assert_eq!((&status["onHub"], service.count_published(REGISTER)), (&json!(true), 1));
    agent.signal(libc::SIGUSR1);
    service.nth_published(REGISTER, 1);
    // What was wanted is done.
    agent.until("at rest", |status| status["onHub"] == true && status["next"].is_null());
}

#[test]
fn a_spread_of_some_seconds_is_over_some_seconds_later() {
    let site = Site::new();
    let agent = site.agent().start();
    agent.until_connected();
    let tell = ["hub", "reprovision", &site.hub(), "--reason", "a new site", "--spread", "2s"];
    assert_eq!(site.service.managed(&tell)["told"], 1);
    site.until_registered(2);
    agent.until_connected();
}

#[test]
fn by_sighup_a_device_that_has_something_else_to_say_registers() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let config = AgentConfig::new(&pki, &pki.device(DEVICE), service.port());
    let agent = config.clone().set("provisioning", "metadata", "{ site = \"lisbon\" }").start();
    agent.until_connected();
    let applied = |line: &Value| line["message"] == "the configuration is applied";
    // The same file says nothing new.
    agent.signal(libc::SIGHUP);
    agent.log.until("reload", 1, applied);
    assert!(agent.try_status()["next"].is_null(), "{}", agent.try_status());
    config.clone().set("provisioning", "metadata", "{ site = \"porto\" }").write();
    agent.signal(libc::SIGHUP);
    let said = [0, 1].map(|number| service.nth_published(REGISTER, number).json()["metadata"]["site"].clone());
    assert_eq!(said, [json!("lisbon"), json!("porto")]);
    agent.until("at rest", |status| status["onHub"] == true && status["next"].is_null());
    // One that is wrong changes nothing.
    config.set("provisioning", "colour", "\"red\"").write();
    agent.signal(libc::SIGHUP);
    agent.log.wait_for("that refuses it", |line| line["level"] == "ERROR" && line.to_string().contains("colour"));
    assert_eq!((agent.try_status()["onHub"].as_bool(), service.count_published(REGISTER)), (Some(true), 2));
    assert_eq!(hub.arrivals(), 1);
}

#[test]
fn with_reset_what_waited_for_the_old_twin_is_dropped_once_the_new_assignment_is_proven() {
    let site = Site::of_group("reprovision = \"reset\"\ninitial_twin = { tags = {}, desired = { interval = 60 } }");
    let agent = site.agent().start();
    agent.until_connected();
    agent.report(&json!({"n": 1}));
    agent.until_all_sent();
    agent.asked(&["reprovision", "--reset"]);
    site.until_registered(2);
    agent.until_connected();
    assert_eq!(site.reported(), json!({"$version": 1}));
}
