//! Custom allocation (rules B6, C4): the webhook decides, and whatever it does wrong is refused by name and moves nothing.

use std::sync::Arc;

use firsthop_tests::webhook::Answer;
use firsthop_tests::*;
use serde_json::{Value, json};
use tokio::sync::Notify;

fn started(webhook: &Webhook, more: &str) -> (Pki, Service) {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki)
        .set("admin", "socket", "\"admin.sock\"")
        .set("webhook", "timeout", "\"1s\"")
        .set("webhook", "max_answer", "\"16KiB\"")
        .embedded("hub-a", "")
        .embedded("hub-b", "");
    std::fs::write(config.dir().join("secret"), "a secret of the webhook").unwrap();
    let group = format!(
        "allocation = \"custom\"\nwebhook = {{ url = \"{}\", secret_file = \"secret\" }}\n{more}",
        webhook.url()
    );
    let service = config.group("factory", &pki.factory, &group).start();
    (pki, service)
}

/// Where the device's own payload wants to be.
fn as_it_wishes(request: &Value) -> Value {
    let context = &request["deviceRuntimeContext"];
    json!({"iotHubHostName": context["payload"]["hub"], "payload": {"greeting": "hello", "seen": context["payload"]["n"]}})
}

fn wish(hub: &str, n: u32) -> String {
    json!({"payload": {"hub": hub, "n": n}}).to_string()
}

#[test]
fn the_webhook_is_asked_in_azures_words_and_its_answer_holds() {
    let webhook = Webhook::start(|request| Answer::Say(200, as_it_wishes(request)));
    let (pki, service) = started(&webhook, "");
    let identity = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &identity).connect();
    let answer = client.register(wish("hub-b", 1));
    assert_eq!((&answer["status"], &answer["payload"]), (&json!(200), &json!({"greeting": "hello", "seen": 1})));
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-b").report(&json!({"n": 1}));
    assert_eq!(client.status("{}")["payload"]["greeting"], "hello", "a look-up tells it, too");

    let moved = client.register(wish("hub-a", 2));
    assert_eq!((&moved["substatus"], &moved["payload"]["seen"]), (&json!("deviceDataMigrated"), &json!(2)));

    let calls = webhook.calls();
    let context = |at: usize| calls[at].body["deviceRuntimeContext"].clone();
    assert_eq!(context(0)["registrationId"], "dev-1");
    assert_eq!(context(0).get("currentIotHubHostName"), None);
    assert!(context(0)["x509"].is_object(), "{}", calls[0].body);
    assert_eq!(context(1)["currentDeviceId"], "dev-1");
    assert!(context(1)["currentIotHubHostName"].is_string(), "{}", calls[1].body);
    assert_eq!(calls[0].body["enrollmentGroup"]["enrollmentGroupId"], "factory");
    assert_eq!(calls[0].body["linkedHubs"].as_array().map(Vec::len), Some(2), "{}", calls[0].body);
    // The signature is over the time and the body.
    let header =
        |name: &str| calls[0].headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert!(header("firsthop-timestamp").parse::<u64>().is_ok(), "{:?}", calls[0].headers);
    let signature = header("firsthop-signature");
    assert!(signature.starts_with("v1=") && signature.len() == 3 + 64, "{signature}");
}

#[test]
fn the_webhook_is_always_called_and_under_never_only_its_data_is_new() {
    let webhook = Webhook::start(|request| Answer::Say(200, as_it_wishes(request)));
    let (pki, service) = started(&webhook, "reprovision = \"never\"");
    let identity = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &identity).connect();
    let first = client.register(wish("hub-a", 1));
    let second = client.register(wish("hub-b", 2));
    assert_eq!(second["assignedHub"], first["assignedHub"]);
    assert_eq!((&second["substatus"], &second["payload"]["seen"]), (&json!("initialAssignment"), &json!(2)));
    assert_eq!(webhook.calls().len(), 2);
}

#[test]
fn an_initial_twin_of_the_webhook_overrides_the_migration() {
    let webhook = Webhook::start(|request| {
        let mut answer = as_it_wishes(request);
        answer["initialTwin"] = json!({"tags": {"by": "webhook"}, "properties": {"desired": {"mode": "quiet"}}});
        Answer::Say(200, answer)
    });
    let (pki, service) = started(&webhook, "reprovision = \"migrate\"");
    let identity = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(client.register(wish("hub-a", 1))["status"], 200);
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").report(&json!({"n": 1}));
    assert_eq!(client.register(wish("hub-b", 2))["status"], 200);
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-b").twin();
    assert_eq!(twin, json!({"desired": {"mode": "quiet", "$version": 1}, "reported": {"$version": 1}}));
}

#[test]
fn whatever_is_wrong_with_the_answer_is_refused_by_name_and_moves_nothing() {
    let never = Arc::new(Notify::new());
    let webhook = Webhook::start(move |request| match request["deviceRuntimeContext"]["payload"]["case"].as_str() {
        Some("status") => Answer::Say(500, json!({"why": "broken"})),
        Some("no json") => Answer::Raw(200, "<html>"),
        Some("no hub") => Answer::Say(200, json!({"payload": 1})),
        Some("not offered") => Answer::Say(200, json!({"iotHubHostName": "hub-z"})),
        Some("bad twin") => {
            Answer::Say(200, json!({"iotHubHostName": "hub-a", "initialTwin": {"properties": {"desired": {"a.b": 1}}}}))
        }
        Some("too large") => Answer::Say(200, json!({"iotHubHostName": "hub-a", "payload": "x".repeat(20_000)})),
        Some("slow") => Answer::Held(never.clone(), json!({})),
        _ => Answer::Say(200, json!({"iotHubHostName": "hub-a"})),
    });
    let (pki, service) = started(&webhook, "");
    let identity = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &identity).connect();
    let first = client.register("{}");
    assert_eq!(first["status"], 200, "{first}");
    for case in ["status", "no json", "no hub", "not offered", "bad twin", "too large", "slow"] {
        let answer = client.register(json!({"payload": {"case": case}}).to_string());
        assert_eq!((&answer["status"], &answer["errorCode"]), (&json!(502), &json!(502_001)), "{case}: {answer}");
        assert_eq!(answer["action"], "retry", "{case}");
        assert!(answer["message"].as_str().is_some_and(|message| message.contains("webhook")), "{case}: {answer}");
        let tracking = answer["trackingId"].as_str().unwrap().to_owned();
        service.log.wait_for("with the whole reason", |line| line.to_string().contains(&tracking));
        let now = client.status("{}");
        assert_eq!((&now["assignedHub"], &now["etag"]), (&first["assignedHub"], &first["etag"]), "{case}");
    }
    let operations = service.managed(&["operation", "list"]).to_string();
    assert!(operations.contains("hub-z"), "request and answer are kept for the operator: {operations}");
}

#[test]
fn a_webhook_that_hangs_holds_up_nobody_else() {
    let held = Arc::new(Notify::new());
    let until = held.clone();
    let webhook = Webhook::start(move |request| match request["deviceRuntimeContext"]["registrationId"].as_str() {
        Some("slow") => Answer::Held(until.clone(), json!({"iotHubHostName": "hub-a"})),
        _ => Answer::Say(200, json!({"iotHubHostName": "hub-b"})),
    });
    let (pki, service) = started(&webhook, "");
    let mut slow = Dial::new(&service, &pki, &pki.device("slow")).connect();
    assert_eq!(slow.register(r#"{"wait":0}"#)["status"], 202);
    for n in 0..10 {
        let quick = Dial::new(&service, &pki, &pki.device(&format!("quick-{n}"))).connect().register("{}");
        assert_eq!(quick["status"], 200, "{quick}");
    }
    held.notify_one();
    assert_eq!(slow.message().json()["state"], "assigned");
}
