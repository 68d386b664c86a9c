//! Refusals: each reason has its code, its action, and a line in the log under the tracking id that the device was told.

use firsthop_tests::*;
use serde_json::{Value, json};

/// Status, code, action, retryAfter and trackingId as they must be, and the whole reason in the log.
#[track_caller]
fn assert_refused(service: &Service, answer: &Value, code: u64, action: &str, in_the_log: &str) {
    assert_eq!(answer["errorCode"], code, "{answer}");
    assert_eq!(answer["status"], code / 1000, "{answer}");
    assert_eq!(answer["action"], action, "{answer}");
    assert_eq!(answer["retryAfter"].is_u64(), action == "retry", "{answer}");
    assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    let tracking = answer["trackingId"].as_str().unwrap_or_else(|| panic!("no trackingId: {answer}"));
    let line = service.log.wait_for(tracking, |line| line["tracking_id"] == tracking);
    assert_eq!(line["code"], code, "{line}");
    assert!(line.to_string().contains(in_the_log), "{in_the_log:?} is not in {line}");
}

fn registered(config: ServiceConfig, pki: &Pki, body: &str) -> (Service, Value) {
    let service = config.start();
    let answer = Dial::new(&service, pki, &pki.device("dev-1")).connect().register(body);
    (service, answer)
}

#[test]
fn a_malformed_body_names_the_field() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    let long = format!(r#"{{"rid":"{}"}}"#, "x".repeat(65));
    for (body, word) in [
        ("{", "EOF"),
        ("{}x", "trailing"),
        (r#"{"wait":"soon"}"#, "wait"),
        (r#"{"metdata":{}}"#, "metdata"),
        (r#"{"metadata":{"a":1,"a":2}}"#, "stands twice"),
        (r#"{"registrationId":"a/b"}"#, "registrationId"),
        (&long, "rid"),
    ] {
        let answer = client.register(body);
        assert_refused(&service, &answer, 400_001, "stop", word);
        assert!(answer["message"].as_str().unwrap().contains(word), "{body}: {answer}");
    }
}

#[test]
fn a_field_with_a_value_that_is_not_allowed_is_refused() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_refused(&service, &client.register(r#"{"wait":31}"#), 400_003, "stop", "wait");
    assert_refused(&service, &client.register(r#"{"token":"x"}"#), 400_003, "stop", "token");
    assert_refused(&service, &client.register(r#"{"model":"unheard-of"}"#), 400_003, "stop", "unheard-of");
}

#[test]
fn metadata_is_compared_with_the_rules_of_the_enrollment() {
    let pki = Pki::new();
    let rules = r#"
        [groups.metadata]
        required = ["serial"]
        allowed = { "site.country" = ["pt", "de"] }
        patterns = { "serial" = "[A-Z]{2}[0-9]+" }
        schema = { inline = { properties = { floor = { type = "integer", maximum = 9 } } } }
    "#;
    let config = ServiceConfig::without_entries(&pki).hub("only", "").group("factory", &pki.factory, rules);
    let service = config.start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    let mut register = |metadata: Value| client.register(json!({ "metadata": metadata }).to_string());
    assert_refused(&service, &register(json!({"site": {"country": "pt"}})), 400_005, "stop", "serial");
    assert_refused(
        &service,
        &register(json!({"serial": "x1", "site": {"country": "pt"}})),
        400_005,
        "stop",
        "[A-Z]{2}[0-9]+",
    );
    assert_refused(
        &service,
        &register(json!({"serial": "AB1", "site": {"country": "pt"}, "floor": 10})),
        400_005,
        "stop",
        "/floor",
    );
    let outside = register(json!({"serial": "AB1", "site": {"country": "fr"}}));
    // The operator learns what is allowed, the device does not.
    assert_refused(&service, &outside, 403_002, "stop", "de");
    assert!(!outside["message"].as_str().unwrap().contains("pt"), "{outside}");
    assert_eq!(register(json!({"serial": "AB1", "site": {"country": "pt"}, "floor": 9}))["status"], 200);
}

#[test]
fn an_instance_of_a_device_model_must_satisfy_its_schema() {
    let pki = Pki::new();
    let model = r#"
        [[models]]
        name = "pump"
        defaults = { interval = 60 }
        schema = { inline = { required = ["interval", "flow"], properties = { interval = { type = "integer", minimum = 1 } } } }
    "#;
    let config = ServiceConfig::without_entries(&pki).with(model).hub("only", "").group(
        "factory",
        &pki.factory,
        "model = \"pump\"",
    );
    let service = config.start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_refused(&service, &client.register("{}"), 400_005, "stop", "flow");
    assert_refused(&service, &client.register(r#"{"metadata":{"flow":1,"interval":0}}"#), 400_005, "stop", "interval");
    // The default fills the rest in.
    assert_eq!(client.register(r#"{"metadata":{"flow":1}}"#)["status"], 200);
}

#[test]
fn a_device_without_a_certificate_is_told_so() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for version in Version::BOTH {
        let answer = Dial::stranger(&service, &pki).version(version).connect().register("{}");
        assert_refused(&service, &answer, 401_001, "stop", "certificate");
    }
}

#[test]
fn a_device_of_nobody_is_told_about_its_own_certificate_only() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let answer = Dial::new(&service, &pki, &pki.root.device("dev-1").unwrap()).connect().register("{}");
    assert_refused(&service, &answer, 401_002, "stop", "Test root");
    assert!(!answer["message"].as_str().unwrap().contains("factory"), "{answer}");
}

#[test]
fn another_devices_id_is_refused_wherever_it_is_said() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let device = pki.device("dev-1");
    for version in Version::BOTH {
        let dial = Dial::new(&service, &pki, &device).version(version);
        assert_refused(&service, &dial.connect().register(r#"{"registrationId":"dev-2"}"#), 401_005, "stop", "dev-2");
        assert_refused(&service, &dial.connect().status(r#"{"registrationId":"dev-2"}"#), 401_005, "stop", "dev-2");
        assert_refused(
            &service,
            &dial.clone().client_id("dev-2").connect().register("{}"),
            401_005,
            "stop",
            "client id",
        );
        assert_refused(
            &service,
            &dial.clone().client_id("dev-2/dev-1").connect().register("{}"),
            401_005,
            "stop",
            "client id",
        );
        assert_refused(
            &service,
            &dial.clone().user_name("dev-2").connect().register("{}"),
            401_005,
            "stop",
            "user name",
        );
        assert_eq!(dial.client_id("dev-1/label").user_name("DEV-1").connect().register("{}")["status"], 200);
    }
}

#[test]
fn the_devices_of_a_disabled_group_are_refused() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki).hub("only", "").group("factory", &pki.factory, "enabled = false");
    let (service, answer) = registered(config, &pki, "{}");
    assert_refused(&service, &answer, 403_001, "stop", "factory");
}

#[test]
fn an_id_that_is_registered_under_another_group_stays_there() {
    let pki = Pki::new();
    let rival = pki.root.intermediate("Rival").unwrap();
    let service = ServiceConfig::new(&pki).group("rival", &rival, "").start();
    let first = Dial::new(&service, &pki, &pki.device("dev-1")).connect().register("{}");
    let answer = Dial::new(&service, &pki, &rival.device("dev-1").unwrap()).connect().register("{}");
    assert_refused(&service, &answer, 401_006, "stop", "factory");
    assert!(!answer["message"].as_str().unwrap().contains("factory"), "{answer}");
    let found = Dial::new(&service, &pki, &pki.device("dev-1")).connect().status("{}");
    assert_eq!(found["etag"], first["etag"]);
}

#[test]
fn without_a_hub_a_device_is_told_to_come_back() {
    let pki = Pki::new();
    let (service, answer) =
        registered(ServiceConfig::without_entries(&pki).group("factory", &pki.factory, ""), &pki, "{}");
    assert_refused(&service, &answer, 503_002, "retry", "hub");
}

#[test]
fn past_a_quota_of_the_service_devices_wait_and_look_ups_have_a_budget_of_their_own() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki).set("quotas", "registrations", "\"2/h\"").set("quotas", "lookups", "\"1/h\"");
    let service = config.start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(client.register("{}")["status"], 200);
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-2")).connect().register("{}")["status"], 200);
    let answer = client.register("{}");
    assert_refused(&service, &answer, 429_001, "retry", "the service");
    assert!((1..=3600).contains(&answer["retryAfter"].as_u64().unwrap()), "{answer}");
    assert_eq!(client.status("{}")["status"], 200);
    assert_refused(&service, &client.status("{}"), 429_001, "retry", "look-ups");
    // Not a closed connection.
    client.ping();
}

#[test]
fn a_quota_of_an_enrollment_does_not_concern_another() {
    let pki = Pki::new();
    let other = pki.root.intermediate("Other").unwrap();
    let config = ServiceConfig::without_entries(&pki).hub("only", "");
    let config = config
        .group("factory", &pki.factory, "quotas = { registrations = \"1/h\", lookups = \"1/h\" }")
        .group("other", &other, "");
    let service = config.start();
    let mut limited = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(limited.register("{}")["status"], 200);
    assert_refused(&service, &limited.register("{}"), 429_001, "retry", "factory");
    assert_eq!(limited.status("{}")["status"], 200);
    assert_refused(&service, &limited.status("{}"), 429_001, "retry", "factory");
    let mut free = Dial::new(&service, &pki, &other.device("dev-2").unwrap()).connect();
    for _ in 0..3 {
        assert_eq!(free.register("{}")["status"], 200);
        assert_eq!(free.status("{}")["status"], 200);
    }
}

#[test]
fn a_registration_with_other_content_while_one_is_under_way_is_told_to_retry() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    // Both in one write, so that the second is read before the first is durable.
    let mut both = packet::publish(Version::V5, &Message::new(REGISTER, r#"{"rid":"a","metadata":{"x":1}}"#).id(1));
    both.extend(packet::publish(Version::V5, &Message::new(REGISTER, r#"{"rid":"b","metadata":{"x":2}}"#).id(2)));
    client.send(&both);
    let answers = [client.message().json(), client.message().json()];
    let refused = answers.iter().find(|answer| answer["rid"] == "b").unwrap();
    assert_refused(&service, refused, 409_203, "retry", "other content");
    assert!(answers.iter().any(|answer| answer["rid"] == "a" && answer["status"] == 200), "{answers:?}");
}

#[test]
fn the_same_registration_twice_at_once_is_one_operation() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let mut both = packet::publish(Version::V5, &Message::new(REGISTER, r#"{"rid":"a"}"#).id(1));
    both.extend(packet::publish(Version::V5, &Message::new(REGISTER, r#"{"rid":"a"}"#).id(2)));
    client.send(&both);
    let (one, two) = (client.message().json(), client.message().json());
    assert_eq!(
        (&one["status"], &one["operationId"], &one["etag"]),
        (&two["status"], &two["operationId"], &two["etag"])
    );
}
