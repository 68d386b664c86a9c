//! A network that is cut, half-open, reset or slow, between a device and its hub.

use std::time::Duration;

use firsthop_tests::proxy::Proxy;
use firsthop_tests::*;
use serde_json::json;

const GROUP: &str = "resources = { events = { messages = 1000, bytes = \"1MiB\" } }";

/// A device that notices within two seconds that it hears nothing.
fn attentive(site: &Site, version: Version) -> Agent {
    let config = site.agent().version(version).set("hub", "keep_alive", "\"1s\"").set("mqtt", "timeout", "\"1s\"");
    let agent = config.start();
    agent.until_connected();
    agent
}

fn check(break_it: fn(&Proxy)) {
    Version::in_both(|version| {
        let site = Site::with_hub_network(GROUP);
        let agent = attentive(&site, version);
        let mut local = agent.local();
        for round in 0..2 {
            assert!(local.publish(&format!("before {round}")));
            break_it(site.hub_network());
            assert!(local.publish(&format!("in the middle of {round}")) && local.report(&json!({"round": round})));
            agent.until("off its hub", |status| status["onHub"] == false);
            assert!(
                local.publish(&format!("after {round}")) && local.report(&json!({ format!("round{round}"): true }))
            );
            site.hub_network().mend();
            agent.until_all_sent();
        }
        let mut arrived = site.events();
        // What was on its way when the line broke may come again, in one go with what follows.
        for round in [0, 1] {
            let places = ["before", "in the middle of", "after"].map(|what| {
                let text = format!("{what} {round}");
                arrived.iter().position(|body| *body == text).unwrap_or_else(|| panic!("{text} is lost: {arrived:?}"))
            });
            assert!(places.is_sorted(), "{arrived:?}");
        }
        arrived.sort();
        arrived.dedup();
        assert_eq!(arrived.len(), 6, "{arrived:?}");
        let reported = site.reported();
        assert_eq!(
            (&reported["round"], &reported["round0"], &reported["round1"]),
            (&json!(1), &json!(true), &json!(true))
        );
        assert_eq!((site.registrations(), site.network.connections()), (1, 1), "the service has nothing to do with it");
    });
}

#[test]
fn a_cut_line_to_the_hub_loses_nothing_and_causes_no_registration() {
    check(Proxy::cut);
}

#[test]
fn a_half_open_line_to_the_hub_is_noticed_loses_nothing_and_causes_no_registration() {
    check(Proxy::stall);
}

#[test]
fn a_line_that_is_reset_loses_nothing_and_causes_no_registration() {
    check(Proxy::reset);
}

#[test]
fn over_a_slow_line_everything_arrives_in_one_connection() {
    let site = Site::with_hub_network(GROUP);
    site.hub_network().delay(Duration::from_millis(300));
    let config = site.agent().set("hub", "keep_alive", "\"1s\"").set("mqtt", "timeout", "\"20s\"");
    let agent = config.start();
    agent.until_connected();
    let mut local = agent.local();
    for n in 0..20 {
        assert!(local.publish(&n.to_string()) && local.report(&json!({"n": n})));
    }
    agent.until_all_sent();
    assert_eq!(site.events(), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(site.reported()["n"], 19);
    assert_eq!(site.hub_network().connections(), 1);
}

#[test]
fn a_service_out_of_reach_at_the_first_boot_is_found_when_it_comes() {
    let site = Site::new();
    site.network.cut();
    let agent = site.agent().start();
    let status = agent.until("waiting for the service", |status| status["next"]["action"] == "register");
    assert!(!status["failures"].as_array().expect("a list").is_empty(), "{status}");
    site.network.mend();
    agent.until_connected();
    assert_eq!(site.registrations(), 1);
}
