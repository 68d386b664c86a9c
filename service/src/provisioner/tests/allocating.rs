//! The custom policy's webhook: always asked, never in the way of others, and nothing moves when it fails.

use super::*;
use ReprovisionPolicy::{Migrate, Never};

const HUBS: &[&str] = &["h1", "h2"];

fn plan(policy: ReprovisionPolicy) -> Plan {
    Plan { hubs: HUBS, allocation: AllocationPolicy::Custom, reprovision: Some(policy), ..Plan::default() }
}

#[tokio::test]
async fn the_webhook_is_asked_at_every_registration_also_under_never() {
    let world = World::new();
    let service = world.start(plan(Never));
    world.webhook.answers(json!({"iotHubHostName": "h2.example", "payload": {"tier": 1}}));
    let first = service.register(request(json!({"payload": {"firmware": 3}}))).await;
    assert_eq!(place(&first).0, "h2");
    world.webhook.answers(json!({"iotHubHostName": "h1.example", "payload": {"tier": 2}}));
    let again = service.register(RegisterRequest::default()).await;
    assert_eq!(place(&again).0, "h2");
    assert_eq!(again.unwrap().registration.payload, Some(json!({"tier": 2})), "new return data reaches the device");
    let asked = world.webhook.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0]["deviceRuntimeContext"]["payload"], json!({"firmware": 3}));
    assert_eq!(asked[1]["deviceRuntimeContext"]["currentIotHubHostName"], "h2.example");
}

#[tokio::test]
async fn a_webhook_that_fails_fails_the_registration_and_moves_nothing() {
    let world = World::new();
    let service = world.start(plan(Migrate));
    world.webhook.fails(AllocationFault::TimedOut(Duration::from_secs(5)));
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.code.status()), (ErrorCode::WebhookFailed, 502));
    assert!(matches!(service.look_up().unwrap().registration.state, State::Failed { .. }), "it can be looked up");
    world.webhook.answers(json!({"iotHubHostName": "h1"}));
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "h1");
    let (commits, operations) = (world.commits(), service.provisioner.operations(None, 10).len());
    world.webhook.answers(json!({"iotHubHostName": "elsewhere.example"}));
    assert_eq!(code(&service.register(RegisterRequest::default()).await), ErrorCode::WebhookFailed);
    assert_eq!(world.commits(), commits);
    assert_eq!(service.look_up().unwrap().assigned_hub.as_deref(), Some("h1.example:8883"));
    let log = service.provisioner.operations(None, 10);
    assert_eq!(log.len(), operations + 1);
    let exchange = log[0].webhook.as_ref().unwrap();
    assert_eq!(exchange.answer, Ok(json!({"iotHubHostName": "elsewhere.example"})));
    assert!(log[0].error.as_ref().unwrap().contains("elsewhere.example"), "{:?}", log[0]);
}

#[tokio::test]
async fn a_webhook_that_hangs_keeps_only_its_own_device_waiting() {
    let world = World::new();
    let service = world.start(plan(Migrate));
    let mut hanging = Box::pin(service.register(RegisterRequest::default()));
    assert!(poll(&mut hanging).await.is_pending());
    assert_eq!(service.provisioner.step(&service.proof().principal()), "allocating");
    world.webhook.answers(json!({"iotHubHostName": "h1"}));
    let other = service.proof_of("line", RegistrationId::parse("dev-2").unwrap());
    let outcome = service.provisioner.register(&other, Arc::default(), OperationId::random()).await;
    assert_eq!(place(&outcome).0, "h1");
    assert!(poll(&mut hanging).await.is_pending());
}

#[tokio::test]
async fn the_same_rid_does_not_ask_the_webhook_again() {
    let world = World::new();
    let service = world.start(plan(Migrate));
    world.webhook.answers(json!({"iotHubHostName": "h1"}));
    for _ in 0..2 {
        service.register(request(json!({"rid": "7"}))).await.unwrap();
    }
    assert_eq!(world.webhook.asked().len(), 1);
}

#[tokio::test]
async fn latencies_decide_and_the_candidates_are_what_is_worth_measuring() {
    let world = World::new();
    let service = world.start(Plan { hubs: HUBS, allocation: AllocationPolicy::GeoLatency, ..Plan::default() });
    let candidates = service.provisioner.candidates(&service.proof());
    assert_eq!(candidates.values().map(String::as_str).collect::<Vec<_>>(), ["h1.example:8883", "h2.example:8883"]);
    for (near, far) in [("h1", "h2"), ("h2", "h1")] {
        let outcome = service.register(request(json!({"latencies": {near: 5, far: 50}}))).await;
        assert_eq!(place(&outcome).0, near);
    }
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "h2", "not measured: it stays");
    let hashed = world.start(Plan { hubs: HUBS, ..Plan::default() });
    assert!(hashed.provisioner.candidates(&hashed.proof()).is_empty());
}
