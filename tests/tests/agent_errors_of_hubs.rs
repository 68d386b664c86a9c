//! Every row of the table of errors, end to end, where a hub makes them: the hub is tried again five seconds later, or when it allows it,
//! or the device registers again. The table itself is documented in `flow/classify`.

use std::time::Duration;

use firsthop_certs::{ServerCertificate, Validity};
use firsthop_tests::packet::Property;
use firsthop_tests::packet::property::SERVER_REFERENCE;
use firsthop_tests::scripted::{Greeting, Note, Plan, Script, Scripted};
use firsthop_tests::site::DEVICE;
use firsthop_tests::*;
use serde_json::json;
use time::OffsetDateTime;

/// What goes wrong, once.
#[derive(Clone, Debug)]
enum Trouble {
    /// While the device connects.
    Greeting(Greeting),
    SubAck(u8),
    TwinGet(u16),
    /// When it has been connected.
    Report(u16),
    Disconnect(u8),
    Close,
    Reset,
    /// Half-open: the hub says nothing more.
    Stall,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// The hub again, no sooner than five seconds later, and no registration.
    HubAgain,
    /// The hub again, about a minute later: it said too much, and not how long to wait.
    HubLater,
    /// A registration before the hub is tried again.
    Register,
}
use Then::{HubAgain, HubLater, Register};

fn is_registration(note: &Note) -> bool {
    note.is_published_on(REGISTER)
}

fn check(pki: &Pki, version: Version, trouble: &Trouble, then: Then) {
    let what = format!("{version:?} {trouble:?}");
    let mut script = Script::hub();
    match trouble {
        Trouble::Greeting(greeting) => script.greetings = Plan::new([greeting.clone(), Greeting::Welcome]),
        Trouble::SubAck(code) => script.subscribe = Plan::new([Some(*code), None]),
        Trouble::TwinGet(status) => script.twin_get = Plan::new([*status, 200]),
        Trouble::Report(status) => script.twin_report = Plan::new([*status, 204]),
        _ => {}
    }
    let hub = Scripted::start(pki, script);
    let service = Scripted::start(pki, Script::service(&hub.host()));
    let config = AgentConfig::new(pki, &pki.device(DEVICE), service.port()).version(version);
    let agent = config.set("mqtt", "timeout", "\"1s\"").set("hub", "keep_alive", "\"1s\"").start();
    let greets = matches!(trouble, Trouble::Greeting(_) | Trouble::SubAck(_) | Trouble::TwinGet(_));
    if !greets {
        agent.until_connected();
    }
    match trouble {
        Trouble::Report(_) => agent.report(&json!({"n": 1})),
        Trouble::Disconnect(code) => hub.disconnect(*code, vec![]),
        Trouble::Close => hub.close(),
        Trouble::Reset => hub.reset(),
        Trouble::Stall => hub.stall(),
        _ => {}
    }
    match then {
        HubAgain => {
            let pause = hub.pause_before(1);
            assert!(pause >= Duration::from_secs(5), "{what}: back after {pause:?}");
            assert_eq!(service.count(is_registration), 1, "{what}");
        }
        HubLater => {
            let status = agent.until("waiting", |status| status["next"]["action"] == "connect");
            assert!(agent.next_in(&status) > Duration::from_secs(50), "{what}: {status}");
            assert_eq!((hub.arrivals(), service.count(is_registration)), (1, 1), "{what}");
            return;
        }
        Register => {
            let registered = service.nth("second registration", 1, is_registration);
            assert!(hub.arrival(1) >= registered.at, "{what}: the hub was tried first");
        }
    }
    agent.until_connected_to(&hub.host());
}

/// All rows at the same time: most of it is waiting.
fn check_all(rows: impl IntoIterator<Item = (Version, Trouble, Then)>) {
    let pki = Pki::new();
    std::thread::scope(|scope| {
        for (version, trouble, then) in rows {
            let pki = &pki;
            scope.spawn(move || check(pki, version, &trouble, then));
        }
    });
}

fn refuse(code: u8) -> Trouble {
    Trouble::Greeting(Greeting::Refuse(code, vec![]))
}

#[test]
fn a_hub_that_refuses_the_connection_in_mqtt_3_1_1_is_tried_again_or_the_device_registers() {
    let rows = [(1, Register), (2, Register), (3, HubAgain), (4, Register), (5, Register)];
    check_all(rows.map(|(code, then)| (Version::V311, refuse(code), then)));
}

#[test]
fn a_hub_that_refuses_the_connection_in_mqtt_5_is_tried_again_or_the_device_registers() {
    let again = [0x80, 0x83, 0x88, 0x89].map(|code| (code, HubAgain));
    let later = [0x97, 0x9f].map(|code| (code, HubLater));
    let register = [0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x90, 0x95, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0xb0];
    let rows = again.into_iter().chain(later).chain(register.map(|code| (code, Register)));
    // A server that knows 3.1.1 only answers so.
    let rows = rows.chain([(1, Register), (3, HubAgain)]);
    check_all(rows.map(|(code, then)| (Version::V5, refuse(code), then)));
}

#[test]
fn a_hub_that_ends_the_connection_is_tried_again_or_the_device_registers() {
    let again = [0x00, 0x80, 0x83, 0x88, 0x89, 0x8b, 0x8d, 0x8e, 0xa0].map(|code| (code, HubAgain));
    let later = [0x96, 0x97, 0x9f].map(|code| (code, HubLater));
    let register = [0x81, 0x82, 0x87, 0x93, 0x98, 0x9c, 0x9d].map(|code| (code, Register));
    let rows = again.into_iter().chain(later).chain(register);
    check_all(rows.map(|(code, then)| (Version::V5, Trouble::Disconnect(code), then)));
}

#[test]
fn a_network_that_fails_between_device_and_hub_is_no_reason_to_register() {
    let now = OffsetDateTime::now_utc();
    let pki = Pki::new();
    let names = ["localhost".to_owned()];
    let early = ServerCertificate::new(&names).validity(Validity::not_yet(now)).signed_by(&pki.root).unwrap();
    let troubles = [
        Trouble::Greeting(Greeting::HangUp),
        Trouble::Greeting(Greeting::NoTls),
        Trouble::Greeting(Greeting::NoConnAck),
        // To a gateway whose clock stands in the past every certificate is one of the future.
        Trouble::Greeting(Greeting::Shows(Box::new(early))),
        Trouble::Close,
        Trouble::Reset,
        Trouble::Stall,
    ];
    std::thread::scope(|scope| {
        for (version, trouble) in Version::BOTH.into_iter().flat_map(|version| troubles.clone().map(|it| (version, it)))
        {
            let pki = &pki;
            scope.spawn(move || check(pki, version, &trouble, HubAgain));
        }
    });
}

#[test]
fn a_hub_that_is_not_to_be_trusted_or_does_not_speak_the_protocol_is_asked_after_at_the_service() {
    let pki = Pki::new();
    let stranger = Pki::new();
    let elsewhere = ServerCertificate::new(&["elsewhere.example".to_owned()]).signed_by(&pki.root).unwrap();
    let past = Validity::expired(OffsetDateTime::now_utc());
    let expired = ServerCertificate::new(&["localhost".to_owned()]).validity(past).signed_by(&pki.root).unwrap();
    let greetings = [
        Greeting::Shows(Box::new(stranger.server.clone())),
        Greeting::Shows(Box::new(elsewhere)),
        Greeting::Shows(Box::new(expired)),
        Greeting::Trusts(stranger.root.certificate_der().clone()),
        Greeting::Babble,
    ];
    std::thread::scope(|scope| {
        for (version, greeting) in
            Version::BOTH.into_iter().flat_map(|version| greetings.clone().map(|it| (version, it)))
        {
            let pki = &pki;
            scope.spawn(move || check(pki, version, &Trouble::Greeting(greeting), Register));
        }
    });
}

#[test]
fn a_hub_that_refuses_what_a_device_cannot_do_without_is_tried_again_or_the_device_registers() {
    let statuses = [401, 403, 404].map(|status| [Trouble::TwinGet(status), Trouble::Report(status)]);
    let statuses = statuses.into_iter().flatten();
    let rows = statuses.flat_map(|trouble| Version::BOTH.map(|version| (version, trouble.clone(), Register)));
    let subscriptions = [
        (Version::V311, Trouble::SubAck(0x80), HubAgain),
        (Version::V5, Trouble::SubAck(0x80), HubAgain),
        (Version::V5, Trouble::SubAck(0x87), Register),
        (Version::V5, Trouble::SubAck(0x97), HubLater),
    ];
    check_all(rows.chain(subscriptions));
}

#[test]
fn twin_requests_that_a_hub_cannot_take_now_are_made_again_later_on_the_same_connection() {
    let pki = Pki::new();
    std::thread::scope(|scope| {
        for (status, version) in [429, 500, 503].into_iter().flat_map(|status| Version::BOTH.map(|it| (status, it))) {
            let pki = &pki;
            scope.spawn(move || {
                let (twin_get, twin_report) = (Plan::new([status, 200]), Plan::new([status, 204]));
                let hub = Scripted::start(pki, Script { twin_get, twin_report, ..Script::hub() });
                let service = Scripted::start(pki, Script::service(&hub.host()));
                let agent = AgentConfig::new(pki, &pki.device(DEVICE), service.port()).version(version).start();
                agent.until_connected();
                agent.report(&json!({"n": 1}));
                agent.until_all_sent();
                for topic in ["$iothub/twin/GET/", "$iothub/twin/PATCH/properties/reported/"] {
                    let [first, again] =
                        [0, 1].map(|before| hub.nth(topic, before, |note| note.is_published_on(topic)));
                    assert!(again.at - first.at >= Duration::from_secs(5), "{status}: {:?}", again.at - first.at);
                }
                assert_eq!((hub.arrivals(), service.count(is_registration)), (1, 1), "{status}");
            });
        }
    });
}

#[test]
fn reported_properties_that_a_hub_refuses_for_good_are_dropped_and_told() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script { twin_report: Plan::new([400, 204]), ..Script::hub() });
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected();
    agent.report(&json!({"bad": 1}));
    agent.until("told", |status| status["failures"].to_string().contains("refused"));
    agent.report(&json!({"good": 2}));
    agent.until_all_sent();
    let topic = "$iothub/twin/PATCH/properties/reported/";
    assert_eq!([0, 1].map(|n| hub.nth_published(topic, n).json()), [json!({"bad": 1}), json!({"good": 2})]);
    assert_eq!((hub.arrivals(), hub.count_published(topic)), (1, 2));
}

#[test]
fn a_hub_that_nobody_answers_for_is_tried_again() {
    let pki = Pki::new();
    std::thread::scope(|scope| {
        for hub in [format!("localhost:{}", remote::free_port()), "no-such-hub.invalid:8883".to_owned()] {
            let pki = &pki;
            scope.spawn(move || {
                let service = Scripted::start(pki, Script::service(&hub));
                let agent = AgentConfig::new(pki, &pki.device(DEVICE), service.port()).start();
                let status = agent.until("waiting for its hub", |status| {
                    status["next"]["action"] == "connect"
                        && status["failures"].as_array().is_some_and(|all| all.len() >= 2)
                });
                assert_eq!(service.count(is_registration), 1, "{status}");
            });
        }
    });
}

#[test]
fn hubs_that_send_a_device_in_circles_are_followed_a_few_times_only() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let other = Scripted::start(&pki, Script::hub());
    for (from, to) in [(&hub, &other), (&other, &hub)] {
        let reference = vec![Property::Bytes(SERVER_REFERENCE, to.host().into_bytes())];
        from.change(|script| script.greetings = Plan::new([Greeting::Refuse(0x9c, reference)]));
    }
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let config = AgentConfig::new(&pki, &pki.device(DEVICE), service.port());
    let _agent = config.set("hub", "allowed", "[\"localhost\"]").start();
    service.nth("second registration", 1, is_registration);
    assert!((3..=6).contains(&(hub.arrivals() + other.arrivals())), "{} and {}", hub.arrivals(), other.arrivals());
}
