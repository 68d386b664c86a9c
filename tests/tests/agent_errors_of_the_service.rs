//! Every row of the table of errors, end to end, where the service makes them: asked again later, as late as it said, or not for long.

use std::time::Duration;

use firsthop_certs::{ServerCertificate, Validity};
use firsthop_protocol::error_code::Action;
use firsthop_tests::scripted::{Greeting, Note, Plan, Reply, Script, Scripted, What};
use firsthop_tests::site::DEVICE;
use firsthop_tests::*;
use time::OffsetDateTime;

#[derive(Clone, Debug)]
enum Trouble {
    Greeting(Greeting),
    Reply(Reply),
}

#[derive(Clone, Copy, Debug)]
enum Then {
    /// Again, no sooner than five seconds later.
    Again,
    /// Again, no sooner than so many seconds later.
    After(u64),
    /// Again, about a minute later: nothing was said how long to wait.
    Later,
    /// A long sleep, which a person ends.
    Sleep,
}
use Then::{After, Again, Later, Sleep};

fn is_registration(note: &Note) -> bool {
    note.is_published_on(REGISTER)
}

fn check(pki: &Pki, version: Version, trouble: &Trouble, then: Then) {
    let what = format!("{version:?} {trouble:?}");
    let hub = Scripted::start(pki, Script::hub());
    let mut script = Script::service(&hub.host());
    match trouble {
        Trouble::Greeting(greeting) => script.greetings = Plan::new([greeting.clone(), Greeting::Welcome]),
        Trouble::Reply(reply) => script.register = Plan::new([reply.clone(), Reply::Assigned(hub.host())]),
    }
    let service = Scripted::start(pki, script);
    let config = AgentConfig::new(pki, &pki.device(DEVICE), service.port()).version(version);
    let agent = config.set("mqtt", "timeout", "\"1s\"").set("provisioning", "refused_wait", "\"1h\"").start();
    let at_least = |pause: Duration, least: u64| {
        assert!(pause >= Duration::from_secs(least), "{what}: back after {pause:?}");
    };
    let waits = |least: u64| {
        let status = agent.until("waiting", |status| status["next"]["action"] == "register");
        assert!(agent.next_in(&status) > Duration::from_secs(least), "{what}: {status}");
        assert!(!status["failures"].as_array().expect("a list").is_empty(), "it stays visible: {status}");
        assert_eq!(service.arrivals(), 1, "{what}");
    };
    match then {
        Again => at_least(service.pause_before(1), 5),
        After(seconds) => at_least(service.pause_before(1), seconds),
        Later => return waits(50),
        Sleep => {
            waits(20 * 60);
            agent.signal(libc::SIGUSR1);
        }
    }
    agent.until_connected_to(&hub.host());
}

fn check_all(pki: &Pki, rows: impl IntoIterator<Item = (Version, Trouble, Then)>) {
    std::thread::scope(|scope| {
        for (version, trouble, then) in rows {
            scope.spawn(move || check(pki, version, &trouble, then));
        }
    });
}

fn in_both(rows: impl IntoIterator<Item = (Trouble, Then)>) -> impl Iterator<Item = (Version, Trouble, Then)> {
    rows.into_iter().flat_map(|(trouble, then)| Version::BOTH.map(|version| (version, trouble.clone(), then)))
}

#[test]
fn a_refusal_says_by_status_action_and_retry_after_when_to_ask_again() {
    let rejected = |status, action, retry_after| Trouble::Reply(Reply::rejected(status, action, retry_after));
    let rows = [
        (rejected(429, Action::Retry, Some(3)), After(3)),
        (rejected(429, Action::Retry, None), Later),
        (rejected(500, Action::Retry, None), Again),
        (rejected(502, Action::Retry, None), Again),
        (rejected(503, Action::Retry, Some(7)), After(7)),
        (rejected(504, Action::Retry, Some(1)), Again),
        (rejected(409, Action::Retry, None), Again),
        (rejected(400, Action::Stop, None), Sleep),
        (rejected(401, Action::Stop, None), Sleep),
        (rejected(403, Action::Stop, None), Sleep),
        (rejected(413, Action::Stop, None), Sleep),
        (rejected(404, Action::Stop, None), Sleep),
        (Trouble::Reply(Reply::Garbled), Sleep),
        (Trouble::Reply(Reply::HangUp), Again),
        (Trouble::Reply(Reply::Silent), Again),
    ];
    check_all(&Pki::new(), in_both(rows));
}

#[test]
fn a_service_that_refuses_the_connection_is_asked_again_or_left_alone_for_long() {
    let refuse = |code| Trouble::Greeting(Greeting::Refuse(code, vec![]));
    let old = [(1, Sleep), (2, Sleep), (3, Again), (4, Sleep), (5, Sleep)].map(|row| (Version::V311, row));
    let new = [
        (0x80, Again),
        (0x88, Again),
        (0x89, Again),
        (0x97, Later),
        (0x9f, Later),
        (0x87, Sleep),
        (0x8a, Sleep),
        (0x9d, Sleep),
    ];
    let rows = old.into_iter().chain(new.map(|row| (Version::V5, row)));
    check_all(&Pki::new(), rows.map(|(version, (code, then))| (version, refuse(code), then)));
}

#[test]
fn a_network_that_fails_between_device_and_service_is_tried_again_and_a_stranger_is_not() {
    let (pki, stranger, now) = (Pki::new(), Pki::new(), OffsetDateTime::now_utc());
    let server = |name: &str, validity| {
        let made = ServerCertificate::new(&[name.to_owned()]).validity(validity).signed_by(&pki.root);
        Greeting::Shows(Box::new(made.unwrap()))
    };
    let rows = [
        (Greeting::HangUp, Again),
        (Greeting::NoTls, Again),
        (Greeting::NoConnAck, Again),
        (server("localhost", Validity::not_yet(now)), Again),
        (server("localhost", Validity::expired(now)), Sleep),
        (server("elsewhere.example", Validity::days(now, 1)), Sleep),
        (Greeting::Shows(Box::new(stranger.server.clone())), Sleep),
        (Greeting::Trusts(stranger.root.certificate_der().clone()), Sleep),
        (Greeting::Babble, Sleep),
    ];
    check_all(&pki, in_both(rows.map(|(greeting, then)| (Trouble::Greeting(greeting), then))));
}

#[test]
fn a_certificate_of_the_future_is_told_with_the_gateways_own_clock() {
    let pki = Pki::new();
    let validity = Validity::not_yet(OffsetDateTime::now_utc());
    let early = ServerCertificate::new(&["localhost".to_owned()]).validity(validity).signed_by(&pki.root).unwrap();
    let service = Scripted::start(&pki, Script::hub().greeting([Greeting::Shows(Box::new(early))]));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    let status = agent.until("refused", |status| status["failures"].as_array().is_some_and(|all| !all.is_empty()));
    let message = status["failures"][0]["message"].as_str().expect("a message");
    assert!(message.contains("clock") && message.contains("not valid before"), "{message}");
}

#[test]
fn a_pending_registration_is_looked_up_when_the_service_said_and_not_made_again() {
    Version::in_both(|version| {
        let pki = Pki::new();
        let hub = Scripted::start(&pki, Script::hub());
        let script = Script::service(&hub.host());
        let script = script.registering([Reply::Pending { retry_after: 2 }]);
        let service = Scripted::start(&pki, script.looking_up([Reply::Assigned(hub.host())]));
        let config = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).version(version);
        let agent = config.set("mqtt", "timeout", "\"1s\"").start();
        let told = service
            .until("the pending answer", |note| matches!(&note.what, What::Told(words) if words.contains("Pending")));
        let asked = service.until("a look-up", |note| note.is_published_on(STATUS));
        assert!(asked.at - told.at >= Duration::from_secs(2), "{:?}", asked.at - told.at);
        agent.until_connected_to(&hub.host());
        assert_eq!(service.count(is_registration), 1);
    });
}

#[test]
fn a_device_that_the_service_does_not_know_any_more_registers() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let script = Script::service(&hub.host());
    let service = Scripted::start(&pki, script.looking_up([Reply::rejected(404, Action::Reregister, None)]));
    let config = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).set("provisioning", "look_up_first", true);
    let agent = config.start();
    agent.until_connected();
    let agent = agent.killed_and_started();
    service.nth("second registration", 1, is_registration);
    agent.until_connected();
}

#[test]
fn a_service_in_trouble_does_not_disturb_a_device_on_its_hub() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected();
    for reply in [
        Reply::rejected(503, Action::Retry, None),
        Reply::rejected(429, Action::Retry, Some(1)),
        Reply::rejected(403, Action::Stop, None),
        Reply::Garbled,
        Reply::HangUp,
    ] {
        let asked = service.count(is_registration);
        service.change(|script| script.register = Plan::new([reply.clone()]));
        agent.signal(libc::SIGUSR1);
        service.nth("registration", asked, is_registration);
        let status = agent.until("told", |status| status["next"]["action"] == "register");
        assert_eq!(status["onHub"], true, "{reply:?}: {status}");
    }
    assert_eq!(hub.arrivals(), 1);
}
