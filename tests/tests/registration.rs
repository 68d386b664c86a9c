//! A device registers: every way a request may be written and an answer may take.

use firsthop_tests::packet::property::{CONTENT_TYPE, CORRELATION_DATA, RESPONSE_TOPIC};
use firsthop_tests::packet::{self, Packet};
use firsthop_tests::*;
use serde_json::{Value, json};

fn started() -> (Pki, Service) {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    (pki, service)
}

fn cbor(value: &Value) -> Vec<u8> {
    serde_cbor::to_vec(value).unwrap()
}

#[test]
fn a_device_registers_in_both_versions_and_learns_its_hub() {
    let (pki, service) = started();
    for version in Version::BOTH {
        let answer = Dial::new(&service, &pki, &pki.device("dev-1")).version(version).connect().register("{}");
        assert_eq!(answer["status"], 200, "{answer}");
        assert_eq!(answer["state"], "assigned");
        assert_eq!(answer["substatus"], "initialAssignment");
        assert_eq!(answer["registrationId"], "dev-1");
        assert_eq!(answer["deviceId"], "dev-1");
        assert_eq!(answer["enrollment"], json!({"group": "factory"}));
        assert!(answer["assignedHub"].as_str().unwrap().ends_with(".example:8883"), "{answer}");
        for field in ["etag", "operationId", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"] {
            assert!(answer[field].is_string(), "{field}: {answer}");
        }
    }
}

#[test]
fn the_registration_id_is_the_common_name_in_lower_case() {
    let (pki, service) = started();
    let answer =
        Dial::new(&service, &pki, &pki.device("Dev.1_A:7-")).connect().register(r#"{"registrationId":"DEV.1_a:7-"}"#);
    assert_eq!(answer["registrationId"], "dev.1_a:7-", "{answer}");
}

#[test]
fn an_answer_has_the_format_of_its_request() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let body = cbor(&json!({"rid": "7"}));
    let mut tagged = vec![0xd9, 0xd9, 0xf7];
    tagged.extend(&body);
    let requests = [
        Message::new(REGISTER, &body),
        Message::new(REGISTER, &tagged),
        Message::new("$provisioning/register/cbor", &body),
        Message::new(REGISTER, &body).property(CONTENT_TYPE, "application/cbor"),
        // The content type has the last word.
        Message::new("$provisioning/register/json", &body).property(CONTENT_TYPE, "application/cbor"),
    ];
    for request in requests {
        assert_eq!(client.publish(&request), 0);
        let answer = client.message();
        assert_eq!(answer.bytes_property(CONTENT_TYPE), Some(b"application/cbor".as_slice()), "{request:?}");
        assert_eq!((&answer.cbor()["status"], &answer.cbor()["rid"]), (&json!(200), &json!("7")), "{request:?}");
    }
    let text = r#"{"rid":"8"}"#;
    let requests = [
        Message::new(REGISTER, text),
        Message::new(REGISTER, format!("\r\n\t {text}")),
        Message::new("$provisioning/register/json", text),
        Message::new(REGISTER, text).property(CONTENT_TYPE, "application/json"),
        Message::new("$provisioning/register/cbor", text).property(CONTENT_TYPE, "application/json; charset=utf-8"),
    ];
    for request in requests {
        assert_eq!(client.publish(&request), 0);
        let answer = client.message();
        assert_eq!(answer.bytes_property(CONTENT_TYPE), Some(b"application/json".as_slice()), "{request:?}");
        assert_eq!((&answer.json()["status"], &answer.json()["rid"]), (&json!(200), &json!("8")), "{request:?}");
    }
}

#[test]
fn an_unknown_format_is_refused_and_the_connection_lives() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let requests = [
        Message::new(REGISTER, "<xml/>"),
        Message::new(REGISTER, "{}").property(CONTENT_TYPE, "text/plain"),
        Message::new(REGISTER, [0x83, 1, 2, 3]),
    ];
    for request in requests {
        client.publish(&request);
        let answer = client.message().json();
        assert_eq!(
            (&answer["errorCode"], &answer["action"]),
            (&json!(400_002), &json!("stop")),
            "{request:?} {answer}"
        );
    }
    assert_eq!(client.register("{}")["status"], 200);
}

#[test]
fn an_empty_body_is_an_empty_request() {
    let (pki, service) = started();
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-1")).connect().register("")["status"], 200);
}

#[test]
fn split_topics_get_the_answer_that_fits() {
    let (pki, service) = started();
    for version in Version::BOTH {
        let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).version(version).connect();
        let topics = ["accepted", "rejected", "pending"].map(|suffix| format!("$provisioning/register/{suffix}"));
        let filters: Vec<_> = topics.iter().map(|topic| (topic.as_str(), 1)).collect();
        assert_eq!(client.subscribe(&filters), [1, 1, 1]);
        client.publish(&Message::new(REGISTER, "{}"));
        let message = client.message();
        assert_eq!((message.topic.as_str(), message.qos), ("$provisioning/register/accepted", 1));
        client.publish(&Message::new(REGISTER, r#"{"wait":31}"#));
        let message = client.message();
        assert_eq!(message.topic, "$provisioning/register/rejected");
        assert_eq!(message.json()["errorCode"], 400_003);
    }
}

#[test]
fn a_wildcard_over_one_requests_answers_gets_one_copy() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(
        client.subscribe(&[("$provisioning/register/+", 0), ("$provisioning/register/#", 1), (REGISTER_RESPONSE, 2)]),
        [0, 1, 1]
    );
    client.publish(&Message::new(REGISTER, "{}"));
    assert_eq!(client.message().topic, "$provisioning/register/accepted");
    assert_eq!(client.ping(), [], "one copy of each answer");
}

#[test]
fn response_topic_and_correlation_data_lead_the_answer_back() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[("$provisioning/register/accepted", 0), (REGISTER_RESPONSE, 0)]);
    let correlation = [0, 1, 2, 0xff];
    let request = Message::new(REGISTER, "{}")
        .property(RESPONSE_TOPIC, REGISTER_RESPONSE)
        .property(CORRELATION_DATA, correlation);
    assert_eq!(client.publish(&request), 0);
    let answer = client.message();
    assert_eq!(answer.topic, REGISTER_RESPONSE);
    assert_eq!(answer.bytes_property(CORRELATION_DATA), Some(correlation.as_slice()));
    // One that this client does not subscribe to is passed over.
    client.publish(
        &Message::new(REGISTER, "{}").property(RESPONSE_TOPIC, "devices/other/inbox").property(CORRELATION_DATA, "x"),
    );
    let answer = client.message();
    assert_eq!(answer.topic, "$provisioning/register/accepted");
    assert_eq!(answer.bytes_property(CORRELATION_DATA), Some(b"x".as_slice()));
}

#[test]
fn user_properties_repeat_status_retry_after_and_tracking_id() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).set("quotas", "lookups", "\"1/h\"").start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    let accepted = client.ask(REGISTER, REGISTER_RESPONSE, "{}");
    assert_eq!(accepted.user_property("status"), Some("200"));
    assert_eq!(accepted.user_property("tracking-id"), None);
    client.status("{}");
    let throttled = client.ask(STATUS, STATUS_RESPONSE, "{}");
    let body = throttled.json();
    assert_eq!(throttled.user_property("status"), Some("429"));
    assert_eq!(throttled.user_property("retry-after"), Some(body["retryAfter"].to_string().as_str()));
    assert_eq!(throttled.user_property("tracking-id"), body["trackingId"].as_str());
}

#[test]
fn the_same_rid_is_the_same_operation_also_after_a_restart() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &device).connect();
    let first = client.register(r#"{"rid":"boot-7"}"#);
    assert_eq!(first["rid"], "boot-7");
    assert_eq!(client.register(r#"{"rid":"boot-7"}"#)["operationId"], first["operationId"]);
    assert_ne!(client.register(r#"{"rid":"boot-8"}"#)["operationId"], first["operationId"]);
    let config = service.config.clone();
    service.kill();
    let service = config.start();
    let again = Dial::new(&service, &pki, &device).connect().register(r#"{"rid":"boot-7"}"#);
    assert_eq!(again["operationId"], first["operationId"]);
    assert_eq!((&again["etag"], &again["assignedHub"]), (&first["etag"], &first["assignedHub"]));
}

#[test]
fn a_rid_of_another_device_is_another_operation() {
    let (pki, service) = started();
    let ids = ["dev-1", "dev-2"].map(|id| {
        Dial::new(&service, &pki, &pki.device(id)).connect().register(r#"{"rid":"1"}"#)["operationId"].clone()
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn requests_may_come_at_every_quality_of_service() {
    let (pki, service) = started();
    for version in Version::BOTH {
        let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).version(version).connect();
        client.subscribe(&[(REGISTER_RESPONSE, 0)]);
        client.tell(&Message::new(REGISTER, r#"{"rid":"q0"}"#));
        assert_eq!(client.message().json()["rid"], "q0");
        client.publish(&Message::new(REGISTER, r#"{"rid":"q1"}"#));
        assert_eq!(client.message().json()["rid"], "q1");
        let exactly_once = Message::new(REGISTER, r#"{"rid":"q2"}"#).qos(2).id(77);
        client.send(&packet::publish(version, &exactly_once));
        assert_eq!(client.next_packet(), Packet::PubRec { id: 77, code: 0 });
        assert_eq!(client.message().json()["rid"], "q2");
        // Sent again before PUBREL it is the same message: no second answer.
        client.send(&packet::publish(version, &exactly_once));
        assert_eq!(client.next_packet(), Packet::PubRec { id: 77, code: 0 });
        client.send(&packet::pubrel(77));
        assert_eq!(client.next_packet(), Packet::PubComp { id: 77, code: 0 });
        assert_eq!(client.ping(), []);
    }
}

#[test]
fn the_acknowledgement_comes_before_the_answer() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 1)]);
    // Unchanged ones are answered at once, which is when the order could be wrong.
    for id in 10..14 {
        client.send(&packet::publish(Version::V5, &Message::new(REGISTER, "{}").id(id)));
        assert_eq!(client.next_packet(), Packet::PubAck { id, code: 0 });
        let Packet::Publish(answer) = client.next_packet() else { panic!("an answer follows") };
        assert_eq!((answer.qos, &answer.json()["status"]), (1, &json!(200)));
        client.send(&packet::puback(answer.id));
    }
}

#[test]
fn a_request_that_nobody_listens_for_is_acknowledged_with_no_matching_subscribers() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(client.publish(&Message::new(REGISTER, "{}")), 0x10);
    // It was carried out all the same, and its answer waits for a late subscription.
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    assert_eq!(client.message().json()["status"], 200);
    assert_eq!(client.publish(&Message::new(REGISTER, "{}")), 0);
}

#[test]
fn an_answer_waits_for_a_subscription_of_a_later_connection_and_is_given_once() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let mut publisher = Dial::new(&service, &pki, &device).connect();
    publisher.publish(&Message::new(REGISTER, r#"{"rid":"late"}"#));
    publisher.disconnect();
    let mut stranger = Dial::new(&service, &pki, &pki.device("dev-2")).connect();
    stranger.subscribe(&[("$provisioning/register/#", 0)]);
    assert_eq!(stranger.ping(), [], "another device's answer");
    let mut subscriber = Dial::new(&service, &pki, &device).version(Version::V311).connect();
    // Not the answers it is about.
    subscriber.subscribe(&[("$provisioning/status/#", 0)]);
    assert_eq!(subscriber.ping(), []);
    subscriber.subscribe(&[(REGISTER_RESPONSE, 0)]);
    assert_eq!(subscriber.message().json()["rid"], "late");
    let mut third = Dial::new(&service, &pki, &device).client_id("dev-1/third").connect();
    third.subscribe(&[(REGISTER_RESPONSE, 0)]);
    assert_eq!(third.ping(), []);
}

#[test]
fn an_answer_goes_to_another_connection_of_the_same_device() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let mut listener = Dial::new(&service, &pki, &device).client_id("dev-1/listener").version(Version::V311).connect();
    listener.subscribe(&[("$provisioning/register/accepted", 0)]);
    let mut publisher = Dial::new(&service, &pki, &device).client_id("dev-1/publisher").connect();
    assert_eq!(publisher.publish(&Message::new(REGISTER, r#"{"rid":"x"}"#)), 0, "somebody listens");
    assert_eq!(listener.message().json()["rid"], "x");
    assert_eq!(publisher.ping(), []);
}

#[test]
fn with_wait_0_the_answer_is_pending_and_the_final_one_follows() {
    let (pki, service) = started();
    // A commit that is done at once leaves nothing to be pending: the answer is the final one then.
    let seen = (0..50).find_map(|n| {
        let mut client = Dial::new(&service, &pki, &pki.device(&format!("dev-{n}"))).connect();
        client.subscribe(&[("$provisioning/register/+", 0)]);
        client.publish(&Message::new(REGISTER, r#"{"wait":0,"rid":"w"}"#));
        let first = client.message();
        (first.topic == "$provisioning/register/pending").then_some((client, first.json()))
    });
    let (mut client, pending) = seen.expect("a commit takes longer than no time");
    assert_eq!(
        (&pending["status"], &pending["state"], &pending["rid"]),
        (&json!(202), &json!("assigning"), &json!("w"))
    );
    assert!(pending["step"].is_string() && pending["retryAfter"].is_u64(), "{pending}");
    let accepted = client.message();
    assert_eq!(accepted.topic, "$provisioning/register/accepted");
    assert_eq!(accepted.json()["operationId"], pending["operationId"]);
    assert_eq!(accepted.json()["rid"], "w");
}

#[test]
fn a_look_up_finds_nothing_before_and_the_registration_afterwards() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    let before = client.status(r#"{"rid":"s"}"#);
    assert_eq!(
        (&before["status"], &before["errorCode"], &before["action"], &before["rid"]),
        (&json!(404), &json!(404_202), &json!("reregister"), &json!("s"))
    );
    let mut registered = client.register("{}");
    let mut found = client.status("{}");
    for answer in [&mut registered, &mut found] {
        answer.as_object_mut().unwrap().retain(|key, _| key != "operationId");
    }
    assert_eq!(found, registered);
}

#[test]
fn a_registration_that_changes_nothing_writes_nothing() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &device).connect();
    let body = r#"{"metadata":{"site":"Évora"},"endpoints":{"ssh":"10.0.0.7:22"}}"#;
    let first = client.register(body);
    let stored = std::fs::read(service.config.store()).unwrap();
    for _ in 0..3 {
        let again = client.register(body);
        for field in ["etag", "assignedHub", "lastUpdatedDateTimeUtc", "createdDateTimeUtc"] {
            assert_eq!(again[field], first[field], "{field}");
        }
    }
    client.status("{}");
    assert!(std::fs::read(service.config.store()).unwrap() == stored, "the store's file has changed");
    let changed = client.register(r#"{"metadata":{"site":"Beja"}}"#);
    assert_ne!(changed["etag"], first["etag"]);
    assert_eq!(changed["assignedHub"], first["assignedHub"]);
    assert_eq!(changed["createdDateTimeUtc"], first["createdDateTimeUtc"]);
}

#[test]
fn the_assignment_stays_after_a_restart() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let first = Dial::new(&service, &pki, &device).connect().register("{}");
    let config = service.config.clone();
    assert_eq!(service.terminate().code(), Some(0));
    let service = config.start();
    let found = Dial::new(&service, &pki, &device).connect().status("{}");
    assert_eq!((&found["etag"], &found["assignedHub"]), (&first["etag"], &first["assignedHub"]));
}

#[test]
fn a_static_group_sends_every_device_to_its_hub() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki).hub("one", "").hub("two", "port = 1");
    let service = config.group("factory", &pki.factory, "allocation = \"static\"\nhubs = [\"two\"]").start();
    for id in ["dev-1", "dev-2", "dev-3"] {
        assert_eq!(Dial::new(&service, &pki, &pki.device(id)).connect().register("{}")["assignedHub"], "two.example:1");
    }
}

#[test]
fn a_drained_hub_gets_no_new_device_and_keeps_those_it_has() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki).hub("only", "").group("factory", &pki.factory, "");
    let device = pki.device("dev-1");
    let service = config.start();
    Dial::new(&service, &pki, &device).connect().register("{}");
    service.terminate();
    let drained = ServiceConfig::without_entries(&pki)
        .set("store", "path", format!("{:?}", config.store()))
        .hub("only", "drained = true")
        .group("factory", &pki.factory, "");
    let service = drained.start();
    assert_eq!(Dial::new(&service, &pki, &device).connect().register("{}")["assignedHub"], "only.example:8883");
    let refused = Dial::new(&service, &pki, &pki.device("dev-2")).connect().register("{}");
    assert_eq!((&refused["errorCode"], &refused["action"]), (&json!(503_002), &json!("retry")), "{refused}");
    assert!(refused["retryAfter"].as_u64().unwrap() >= 5, "{refused}");
}

#[test]
fn look_ups_have_formats_and_split_topics_too() {
    let (pki, service) = started();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.register("{}");
    client.unsubscribe(&[REGISTER_RESPONSE]);
    client.subscribe(&[("$provisioning/status/accepted", 1), ("$provisioning/status/rejected", 1)]);
    client.publish(&Message::new("$provisioning/status/cbor", cbor(&json!({"rid": "c"}))));
    let answer = client.message();
    assert_eq!((answer.topic.as_str(), &answer.cbor()["rid"]), ("$provisioning/status/accepted", &json!("c")));
    client.publish(&Message::new("$provisioning/status/json", "{\"registrationId\":\"dev-2\"}"));
    let answer = client.message();
    assert_eq!(
        (answer.topic.as_str(), &answer.json()["errorCode"]),
        ("$provisioning/status/rejected", &json!(401_005))
    );
}

#[test]
fn after_unsubscribe_answers_no_longer_come() {
    let (pki, service) = started();
    // A device each: a connection that was dropped may still be there when the next one asks who listens.
    for (version, id) in Version::BOTH.into_iter().zip(["dev-1", "dev-2"]) {
        let mut client = Dial::new(&service, &pki, &pki.device(id)).version(version).connect();
        client.register("{}");
        client.unsubscribe(&[REGISTER_RESPONSE]);
        let code = client.publish(&Message::new(REGISTER, "{}"));
        assert_eq!(code, if version == Version::V5 { 0x10 } else { 0 });
        assert_eq!(client.ping(), []);
    }
}

#[test]
fn a_registration_is_carried_to_its_end_when_the_client_goes_away() {
    let (pki, service) = started();
    let device = pki.device("dev-1");
    let mut client = Dial::new(&service, &pki, &device).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    client.tell(&Message::new(REGISTER, r#"{"rid":"gone"}"#));
    client.break_off();
    service.log.wait_for_message("registered");
    assert_eq!(Dial::new(&service, &pki, &device).connect().status("{}")["status"], 200);
}
