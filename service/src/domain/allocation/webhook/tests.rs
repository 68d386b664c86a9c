//! The call's body in Azure's spelling, and answers that count or do not.

use std::sync::Arc;

use firsthop_certs::Authority;
use firsthop_protocol::{DeviceId, GroupId, RegistrationId, Timestamp};

use super::*;
use crate::domain::attestation::{EnrolledCertificate, Thumbprint};
use crate::domain::enrollment::{Certificates, QuotaRates, TopicGrants, Webhook};
use crate::domain::hub::Hubs;
use crate::domain::metadata::MetadataRules;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn proof() -> Proof {
    let certificate = Authority::root("CA").unwrap().certificate_der().to_vec();
    let enrollment = Enrollment {
        name: EnrollmentName::Group(GroupId::parse("factory").unwrap()),
        enabled: true,
        certificates: Certificates {
            primary: EnrolledCertificate::group_ca(certificate.into()).unwrap(),
            secondary: None,
        },
        device_id: None,
        allocation: AllocationPolicy::Custom,
        hubs: vec![HubName::parse("a").unwrap()],
        metadata: MetadataRules::default(),
        model: None,
        quotas: QuotaRates::default(),
        topics: TopicGrants::default(),
        reprovision: Some(ReprovisionPolicy::Reset),
        initial_twin: InitialTwin { tags: map(json!({"site": "x"})), desired: map(json!({"interval": 5})) },
        capabilities: Default::default(),
        resources: Default::default(),
        webhook: Some(Webhook { url: "https://allocate.example/".into(), secret: None }),
        digest: 1,
    };
    Proof {
        id: RegistrationId::parse("dev-1").unwrap(),
        enrollment: Arc::new(enrollment),
        thumbprint: Thumbprint([0xab; 32]),
        valid_from: Timestamp::from_secs(0),
        valid_until: Timestamp::from_secs(1),
    }
}

/// `name host port` each.
fn hubs(declared: &[(&str, &str, u16)]) -> Hubs {
    let hub = |(name, host, port): &(&str, &str, u16)| Hub {
        name: HubName::parse(name).unwrap(),
        host: (*host).into(),
        port: *port,
        weight: 1,
        labels: Default::default(),
        drained: false,
        kind: Default::default(),
    };
    declared.iter().map(hub).collect()
}

#[test]
fn the_body_has_the_enrollment_the_device_and_the_hubs_as_azure_spells_them() {
    let (proof, hubs) = (proof(), hubs(&[("a", "a.example", 8883), ("b", "b.example", 8883)]));
    let choice = Choice::new(&proof.id, &proof.enrollment, &hubs);
    let offered = choice.candidates().unwrap();
    let body = request(&proof, None, &choice, &offered, Some(&json!({"firmware": "1.2"})));
    let group = &body["enrollmentGroup"];
    assert_eq!(group["enrollmentGroupId"], "factory");
    assert_eq!(group["provisioningStatus"], "enabled");
    assert_eq!(group["reprovisionPolicy"], json!({"updateHubAssignment": true, "migrateDeviceData": false}));
    assert_eq!(group["iotHubs"], json!(["a.example"]));
    assert_eq!(group["initialTwin"], json!({"tags": {"site": "x"}, "properties": {"desired": {"interval": 5}}}));
    assert_eq!(group["capabilities"], json!({"iotEdge": false}));
    let context = &body["deviceRuntimeContext"];
    assert_eq!((&context["registrationId"], &context["payload"]), (&json!("dev-1"), &json!({"firmware": "1.2"})));
    assert_eq!(context["x509"]["sha256Thumbprint"], "ab".repeat(32));
    assert_eq!(context.get("currentIotHubHostName"), None);
    assert_eq!(body["linkedHubs"], json!(["a.example"]));
}

#[test]
fn a_device_that_is_assigned_is_told_with_its_hub_and_its_name_there() {
    let (proof, hubs) = (proof(), hubs(&[("a", "localhost", 1), ("b", "localhost", 2)]));
    let choice = Choice::new(&proof.id, &proof.enrollment, &hubs);
    let stored = Registration {
        id: proof.id.clone(),
        device_id: DeviceId::parse("Pump").unwrap(),
        enrollment: proof.enrollment.name.clone(),
        state: State::Assigned {
            hub: HubName::parse("b").unwrap(),
            substatus: firsthop_protocol::body::Substatus::InitialAssignment,
        },
        thumbprint: proof.thumbprint,
        operation: firsthop_protocol::OperationId::from_bytes([1; 16]),
        rid: None,
        payload: None,
        told: 0,
        created: Timestamp::from_secs(1),
        updated: Timestamp::from_secs(1),
    };
    let body = request(&proof, Some(&stored), &choice, &choice.candidates().unwrap(), None);
    let context = &body["deviceRuntimeContext"];
    assert_eq!(context["currentIotHubHostName"], "localhost:2", "hubs that share a host are told with their ports");
    assert_eq!(context["currentDeviceId"], "Pump");
    assert_eq!(body["linkedHubs"], json!(["localhost:1"]));
}

#[test]
fn a_hub_is_meant_by_its_name_its_host_or_both_parts_of_its_address() {
    let hubs = hubs(&[("a", "one.example", 8883), ("b", "two.example", 8884), ("c", "two.example", 8885)]);
    let offered: Vec<&Hub> = hubs.iter().collect();
    let named = |name: &str| judge(&json!({"iotHubHostName": name}), &offered).map(|verdict| verdict.hub.to_string());
    for (name, hub) in
        [("a", "a"), ("One.Example", "a"), ("one.example:8883", "a"), ("two.example:8885", "c"), ("B", "b")]
    {
        assert_eq!(named(name), Ok(hub.to_owned()), "{name}");
    }
    assert_eq!(named("two.example"), Err(AnswerFault::Ambiguous("two.example".into())));
    assert_eq!(named("elsewhere.example"), Err(AnswerFault::NotOffered("elsewhere.example".into())));
}

#[test]
fn twin_and_return_data_come_with_the_answer() {
    let hubs = hubs(&[("a", "a.example", 1)]);
    let offered: Vec<&Hub> = hubs.iter().collect();
    let answer = json!({"iotHubHostName": "a", "payload": [1], "initialTwin": {"tags": {"t": 1}, "properties": {"desired": {"$version": 3, "d": 2}}}});
    let verdict = judge(&answer, &offered).unwrap();
    assert_eq!(verdict.initial_twin, Some(InitialTwin { tags: map(json!({"t": 1})), desired: map(json!({"d": 2})) }));
    assert_eq!(verdict.payload, Some(json!([1])));
    let without = judge(&json!({"iotHubHostName": "a", "payload": null, "initialTwin": null}), &offered).unwrap();
    assert_eq!((without.initial_twin, without.payload), (None, None));
}

#[test]
fn an_answer_that_breaks_a_rule_is_a_named_failure_of_the_webhook() {
    let hubs = hubs(&[("a", "a.example", 1)]);
    let offered: Vec<&Hub> = hubs.iter().collect();
    let deep = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    for (answer, class) in [
        (json!("a"), "no JSON object"),
        (json!({}), "names no hub"),
        (json!({"iotHubHostName": 7}), "names no hub"),
        (json!({"iotHubHostName": "b"}), "not offered"),
        (json!({"iotHubHostName": "a", "initialTwin": 1}), "no valid initial twin"),
        (json!({"iotHubHostName": "a", "initialTwin": {"tags": {"a.b": 1}}}), "no valid initial twin"),
        (json!({"iotHubHostName": "a", "payload": "x".repeat(MAX_PAYLOAD)}), "no valid payload"),
        (json!({"iotHubHostName": "a", "payload": deep}), "no valid payload"),
    ] {
        let refusal = judge(&answer, &offered).unwrap_err().refusal();
        assert_eq!(refusal.code, ErrorCode::WebhookFailed);
        assert!(refusal.message.contains(class), "{class}: {refusal:?}");
    }
}
