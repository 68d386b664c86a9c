//! What a gateway does on its hub: twin, telemetry and device-bound messages, also while the hub cannot be reached.

use firsthop_tests::scripted::{Plan, Script, Scripted, What};
use firsthop_tests::site::DEVICE;
use firsthop_tests::*;
use serde_json::{Value, json};

const GROUP: &str = "initial_twin = { tags = {}, desired = { interval = 60 } }\nresources = { events = { messages = 1000, bytes = \"1MiB\" } }";

/// A device on its hub, whose connection to it the test can cut.
fn on_hub() -> (Site, Agent) {
    let site = Site::with_hub_network(GROUP);
    let agent = site.agent().start();
    agent.until_connected();
    (site, agent)
}

fn cut_off(site: &Site, agent: &Agent) {
    site.hub_network().cut();
    agent.until("off its hub", |status| status["onHub"] == false);
}

#[test]
fn desired_properties_reach_those_who_watch_also_those_that_changed_while_the_hub_was_out_of_reach() {
    let (site, agent) = on_hub();
    let mut watch = agent.follow(&["twin", "--watch"]);
    watch.wait_for("60");
    site.desire(&json!({"interval": 30, "mode": {"night": true}}));
    watch.wait_for("30");
    cut_off(&site, &agent);
    site.desire(&json!({"interval": 15, "mode": {"night": null, "day": 1}}));
    // What is known is known, also after a restart.
    let agent = agent.killed_and_started();
    agent.until_desired(&json!({"interval": 30, "mode": {"night": true}}));
    let mut watch = agent.follow(&["twin", "--watch"]);
    watch.wait_for("30");
    site.hub_network().mend();
    watch.wait_for("15");
    agent.until_desired(&json!({"interval": 15, "mode": {"day": 1}}));
}

#[test]
fn reports_made_while_the_hub_is_out_of_reach_are_merged_kept_and_sent() {
    let (site, agent) = on_hub();
    agent.report(&json!({"kept": 0, "gone": 0}));
    agent.until_all_sent();
    cut_off(&site, &agent);
    agent.report(&json!({"a": 1, "b": {"x": 1}}));
    agent.report(&json!({"b": {"y": 2}, "gone": null}));
    let agent = agent.killed_and_started();
    agent.until("left with something to report", |status| status["unacknowledgedReport"] == true);
    agent.report(&json!({"b": {"x": null}, "c": 3}));
    site.hub_network().mend();
    agent.until_all_sent();
    // One patch for all.
    assert_eq!(site.reported(), json!({"kept": 0, "a": 1, "b": {"y": 2}, "c": 3, "$version": 3}));
}

#[test]
fn a_report_whose_acknowledgement_was_lost_is_sent_again() {
    Version::in_both(|version| {
        let pki = Pki::new();
        let hub = Scripted::start(&pki, Script::hub());
        let service = Scripted::start(&pki, Script::service(&hub.host()));
        let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).version(version).start();
        agent.until_connected();
        hub.published("$iothub/twin/GET/");
        hub.stall();
        agent.report(&json!({"n": 1, "a": 1}));
        agent.until("at it", |status| status["unacknowledgedReport"] == true);
        // What is reported meanwhile is merged.
        agent.report(&json!({"n": 2}));
        hub.reset();
        agent.until_all_sent();
        let patch = hub.published("$iothub/twin/PATCH/properties/reported/").json();
        assert_eq!((patch, service.count_published(REGISTER)), (json!({"n": 2, "a": 1}), 1));
    });
}

#[test]
fn telemetry_waits_on_the_disk_while_the_hub_is_out_of_reach_and_arrives_in_its_order() {
    let (site, agent) = on_hub();
    agent.asked(&["publish", "message 0"]);
    agent.until_all_sent();
    cut_off(&site, &agent);
    let mut local = agent.local();
    for n in 1..=30 {
        assert!(local.publish(&format!("message {n}")));
    }
    let agent = agent.killed_and_started();
    let status = agent.until("up again", |status| !status.is_null());
    assert_eq!(status["outbox"]["waiting"], 30, "{status}");
    agent.publish("message 31");
    site.hub_network().mend();
    agent.until_all_sent();
    let mut arrived = site.events();
    arrived.dedup();
    assert_eq!(arrived, (0..=31).map(|n| format!("message {n}")).collect::<Vec<_>>());
}

#[test]
fn telemetry_that_the_hub_did_not_acknowledge_is_sent_again() {
    Version::in_both(|version| {
        let pki = Pki::new();
        let script = Script { telemetry: Plan::new([Some(0), None]), ..Script::hub() };
        let hub = Scripted::start(&pki, script);
        let service = Scripted::start(&pki, Script::service(&hub.host()));
        let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).version(version).start();
        agent.until_connected();
        agent.publish("first");
        hub.published("devices/dev-1/messages/events/");
        agent.publish("second");
        hub.until(
            "the message without an answer",
            |note| matches!(&note.what, What::Told(words) if words.contains("PUBACK")),
        );
        hub.change(|script| script.telemetry = Plan::new([Some(0)]));
        hub.reset();
        agent.until_all_sent();
        let again = hub.nth_published("devices/dev-1/messages/events/", 2);
        assert_eq!((again.payload.as_slice(), again.qos), (b"second".as_slice(), 1));
        assert_eq!(hub.count_published("devices/dev-1/messages/events/"), 3);
    });
}

#[test]
fn a_full_outbox_drops_its_oldest_messages_or_refuses_new_ones_as_configured() {
    // In one version it drops, in the other it refuses.
    Version::in_both(|version| {
        let refuses = version == Version::V5;
        let site = Site::with_hub_network(GROUP);
        let when_full = if refuses { "\"refuse\"" } else { "\"drop-oldest\"" };
        let agent =
            site.agent().version(version).set("outbox", "messages", 10).set("outbox", "when_full", when_full).start();
        agent.until_connected();
        cut_off(&site, &agent);
        let mut local = agent.local();
        let taken: Vec<_> = (0..15).filter(|n| local.publish(&format!("message {n}"))).collect();
        assert_eq!(taken, if refuses { (0..10).collect::<Vec<_>>() } else { (0..15).collect() });
        let answer = local.ask(&json!({"op": "publish", "body": "one more"})).unwrap();
        assert_eq!(answer["ok"], !refuses, "{answer}");
        let status = agent.try_status();
        assert_eq!(
            (&status["outbox"]["waiting"], &status["outbox"]["dropped"]),
            (&json!(10), &json!(if refuses { 0 } else { 6 })),
            "{status}"
        );
        site.hub_network().mend();
        agent.until_all_sent();
        let kept: Vec<_> = (0..10).map(|n| format!("message {n}")).collect();
        let newest: Vec<_> = (6..15).map(|n| format!("message {n}")).chain(["one more".to_owned()]).collect();
        assert_eq!(site.events(), if refuses { kept } else { newest });
    });
}

#[test]
fn properties_of_telemetry_reach_the_hub_as_they_are_and_wrong_ones_are_refused() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected();
    let mut local = agent.local();
    let answer = local.ask(&json!({"op": "publish", "properties": {"where": "a&b c"}, "bodyBase64": "AP8="})).unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    let message = hub.published("devices/dev-1/messages/events/");
    assert_eq!(message.payload, [0, 0xff]);
    assert_eq!(message.topic, "devices/dev-1/messages/events/where=a%26b%20c");
    for wrong in [json!({"op": "publish", "bodyBase64": "?"}), json!({"op": "sing"})] {
        let answer = local.ask(&wrong).unwrap();
        assert_eq!(
            (&answer["ok"], &answer["error"]["code"]),
            (&json!(false), &json!("badRequest")),
            "{wrong}: {answer}"
        );
    }
    assert_eq!(local.ask(&json!({"op": "report", "patch": {"a.b": 1}})).unwrap()["ok"], false);
}

fn next(consumer: &mut Local) -> Value {
    consumer.heard().expect("a message")
}

#[test]
fn messages_wait_in_the_hub_until_somebody_has_taken_them() {
    let (site, agent) = on_hub();
    for n in 1..=3 {
        site.service.managed(&["device", "send", DEVICE, &format!("message {n}"), "--property", &format!("n={n}")]);
    }
    let mut consumer = agent.local();
    assert_eq!(consumer.ask(&json!({"op": "messages"})).unwrap()["ok"], true);
    let first = next(&mut consumer);
    assert_eq!((&first["body"], &first["properties"]["n"]), (&json!("message 1"), &json!("1")), "{first}");
    // One at a time; and whoever goes without accepting leaves the message to the next.
    assert_eq!(agent.local().ask(&json!({"op": "messages"})).unwrap()["error"]["code"], "busy");
    drop(consumer);
    let mut consumer = again(&agent);
    for n in 1..=3 {
        let message = next(&mut consumer);
        assert_eq!(message["body"], format!("message {n}"), "{message}");
        consumer.tell(&json!({"accept": message["message"]}));
    }
    drop(consumer);
    // What was taken is gone; what comes now waits again.
    site.service.managed(&["device", "send", DEVICE, "message 4"]);
    let mut consumer = again(&agent);
    assert_eq!(next(&mut consumer)["body"], "message 4");
}

/// A consumer, as soon as the agent has noticed that the one before is gone.
fn again(agent: &Agent) -> Local {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let mut consumer = agent.local();
        let answer = consumer.ask(&json!({"op": "messages"})).expect("the agent runs");
        if answer["ok"] == true {
            return consumer;
        }
        assert!(answer["error"]["code"] == "busy" && std::time::Instant::now() < deadline, "{answer}");
    }
}

#[test]
fn without_a_consumer_the_device_does_not_subscribe_to_messages() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected();
    let bound = "devices/dev-1/messages/devicebound/";
    let subscribed = || hub.count(|note| format!("{note:?}").contains(bound));
    assert_eq!(subscribed(), 0);
    let mut consumer = agent.local();
    assert_eq!(consumer.ask(&json!({"op": "messages"})).unwrap()["ok"], true);
    hub.subscribed(&format!("{bound}#"));
    hub.push(Message::new(&format!("{bound}k=v"), "hello").qos(1));
    let message = next(&mut consumer);
    let acknowledged = || hub.count(|note| matches!(note.what, What::Got(packet::server::Request::PubAck { .. })));
    assert_eq!((&message["body"], acknowledged()), (&json!("hello"), 0));
    consumer.tell(&json!({"accept": message["message"]}));
    hub.until("PUBACK", |note| matches!(note.what, What::Got(packet::server::Request::PubAck { .. })));
}
