//! Registrations and look-ups: what is written, what is answered, what is refused.

use firsthop_protocol::ETag;

use super::store::Rows;
use super::*;
use crate::domain::ports::Decision;

#[tokio::test]
async fn a_first_registration_is_stored_with_a_registry_entry_before_it_is_answered() {
    let world = World::with(FakeStore::gated());
    let service = world.start(Plan::default());
    let mut answer = Box::pin(service.register(request(json!({"endpoints": {"ssh": "10.0.0.7:22"}}))));
    assert!(poll(&mut answer).await.is_pending());
    assert_eq!(world.commits(), 0);
    world.store.gate.as_ref().unwrap().add_permits(1);
    let granted = answer.await.unwrap();
    assert_eq!(granted.assigned_hub.as_deref(), Some("h1.example:8883"));
    assert_eq!(world.commits(), 1);
    assert_eq!(world.device().endpoints["ssh"], "10.0.0.7:22");
    assert_eq!(granted.etag, world.store.rows().registered[&id()].etag);
}

#[tokio::test]
async fn a_registration_that_changes_nothing_writes_nothing() {
    let world = World::new();
    let service = world.start(Plan::default());
    let body = || request(json!({"metadata": {"site": "lisbon"}}));
    let first = service.register(body()).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    let again = service.register(body()).await.unwrap();
    assert_eq!(world.store.rows().asked, 1);
    assert_eq!((again.etag, again.registration), (first.etag, first.registration));
}

#[tokio::test]
async fn the_same_request_twice_at_once_is_one_operation_and_another_one_is_refused() {
    let world = World::with(FakeStore::gated());
    let service = world.start(Plan::default());
    let mut first = Box::pin(service.register(request(json!({"metadata": {"a": 1}}))));
    let mut second = Box::pin(service.register(request(json!({"metadata": {"a": 1}}))));
    assert!(poll(&mut first).await.is_pending() && poll(&mut second).await.is_pending());
    let other = service.register(request(json!({"metadata": {"a": 2}}))).await;
    assert_eq!(code(&other), ErrorCode::RegistrationUnderWay);
    world.store.gate.as_ref().unwrap().add_permits(1);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first, second);
    assert_eq!(world.store.rows().asked, 1);
}

#[tokio::test]
async fn when_the_first_of_two_goes_away_the_second_does_it() {
    let world = World::with(FakeStore::gated());
    let service = world.start(Plan::default());
    let mut first = Box::pin(service.register(RegisterRequest::default()));
    let mut second = Box::pin(service.register(RegisterRequest::default()));
    assert!(poll(&mut first).await.is_pending() && poll(&mut second).await.is_pending());
    drop(first);
    world.store.gate.as_ref().unwrap().add_permits(1);
    assert!(second.await.is_ok());
    assert_eq!(world.commits(), 1);
}

#[tokio::test]
async fn who_comes_second_at_the_store_decides_again_on_what_the_first_stored() {
    let world = World::new();
    let service = world.start(Plan::default());
    let rival = World::new();
    let theirs = rival.start(Plan::default()).register(RegisterRequest::default()).await.unwrap();
    let decision =
        Decision { registration: theirs.registration.clone(), expected: None, device: None, hub: None, journal: None };
    world.store.rows().others.push(Box::new(|rows| _ = rows.write(decision)));
    let granted = service.register(request(json!({"metadata": {"site": "lisbon"}}))).await.unwrap();
    assert_eq!(granted.registration.created, theirs.registration.created);
    assert_eq!(world.store.rows().asked, 2);
    assert_eq!(world.commits(), 2);
    assert_eq!(world.device().metadata["site"], "lisbon");
}

#[tokio::test]
async fn a_registration_that_never_stands_still_is_refused_for_now() {
    let world = World::new();
    let service = world.start(Plan::default());
    service.register(RegisterRequest::default()).await.unwrap();
    for _ in 0..20 {
        let change =
            |rows: &mut Rows| rows.registered.get_mut(&id()).unwrap().etag = ETag::new(1_000 + rows.asked as u64);
        world.store.rows().others.push(Box::new(change));
    }
    let refusal = service.register(request(json!({"metadata": {"a": 1}}))).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::RegistrationUnderWay);
    assert!(refusal.retry_after.is_some());
    assert!(world.store.rows().asked <= 10, "it gives up");
}

#[tokio::test]
async fn a_spent_quota_says_how_long_to_wait_and_look_ups_have_their_own() {
    let world = World::new();
    let service = world.start(Plan { service: per_minute(2), ..Plan::default() });
    for _ in 0..2 {
        service.register(RegisterRequest::default()).await.unwrap();
    }
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Throttled);
    let wait = refusal.retry_after.unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert!(service.look_up().is_ok());
    world.clock.advance(Duration::from_secs(wait.into()));
    assert!(service.register(RegisterRequest::default()).await.is_ok());
}

#[tokio::test]
async fn what_the_service_refuses_is_given_back_to_the_enrollment() {
    let world = World::new();
    let service = world.start(Plan { service: per_minute(1), entry: per_minute(2), ..Plan::default() });
    service.register(RegisterRequest::default()).await.unwrap();
    for _ in 0..5 {
        let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
        assert!(refusal.detail.contains("the service"), "the enrollment still has one: {refusal:?}");
    }
}

#[tokio::test]
async fn one_enrollments_quota_is_not_anothers() {
    let world = World::new();
    let service = world.start(Plan { entry: per_minute(1), ..Plan::default() });
    service.register(RegisterRequest::default()).await.unwrap();
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert!(refusal.detail.contains("group:line"), "{refusal:?}");
    let proof = service.proof_of("other", RegistrationId::parse("dev-2").unwrap());
    assert!(service.provisioner.register(&proof, Arc::default(), OperationId::random()).await.is_ok());
}

#[tokio::test]
async fn a_body_with_another_devices_id_is_refused_and_costs_no_quota() {
    let world = World::new();
    let service = world.start(Plan { service: per_minute(1), ..Plan::default() });
    for _ in 0..3 {
        let refused = service.register(request(json!({"registrationId": "dev-2"}))).await;
        assert_eq!(code(&refused), ErrorCode::IdentityMismatch);
    }
    let other = StatusRequest { registration_id: RegistrationId::parse("dev-2").ok(), ..StatusRequest::default() };
    assert_eq!(code(&service.provisioner.look_up(&service.proof(), &other)), ErrorCode::IdentityMismatch);
    assert!(service.register(request(json!({"registrationId": "DEV-1"}))).await.is_ok());
}

#[tokio::test]
async fn a_stopping_service_refuses_registrations_and_still_looks_up() {
    let world = World::new();
    let service = world.start(Plan::default());
    service.register(RegisterRequest::default()).await.unwrap();
    service.provisioner.drain();
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after.is_some()), (ErrorCode::Draining, true));
    assert!(service.look_up().is_ok());
}

#[tokio::test]
async fn a_store_that_cannot_write_is_503003_and_the_next_attempt_is_a_first_one() {
    let world = World::new();
    let service = world.start(Plan::default());
    world.store.rows().unavailable = true;
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert_eq!((refusal.code.number(), refusal.retry_after.is_some()), (503_003, true));
    assert!(!refusal.message.contains("disk"), "the device is not told why: {refusal:?}");
    assert!(refusal.detail.contains("the disk is full"), "the operator is: {refusal:?}");
    assert_eq!(code(&service.look_up()).number(), 503_003);
    world.store.rows().unavailable = false;
    assert!(service.register(RegisterRequest::default()).await.is_ok());
}

#[tokio::test]
async fn the_same_rid_is_the_same_operation_also_after_a_restart() {
    let world = World::new();
    let named = || RegisterRequest { rid: RequestId::parse("7").ok(), ..RegisterRequest::default() };
    let service = world.start(Plan::default());
    let first = service.register(named()).await.unwrap().operation;
    world.clock.advance(Duration::from_secs(500));
    assert_eq!(service.register(named()).await.unwrap().operation, first);
    assert_ne!(
        service.register(RegisterRequest::default()).await.unwrap().operation,
        first,
        "without a rid it is a new one"
    );
    let restarted = world.start(Plan::default());
    assert_eq!(restarted.register(named()).await.unwrap().operation, first);
    world.clock.advance(Duration::from_secs(600));
    let later = world.start(Plan::default());
    assert_ne!(later.register(named()).await.unwrap().operation, first, "a rid is forgotten after ten minutes");
}

#[tokio::test]
async fn what_a_request_leaves_out_stays_as_the_device_said_it() {
    let world = World::new();
    let service = world.start(Plan { required: &["site"], ..Plan::default() });
    let body = json!({"metadata": {"site": "lisbon"}, "endpoints": {"ssh": "a:22"}});
    service.register(request(body)).await.unwrap();
    service.register(RegisterRequest::default()).await.unwrap();
    assert_eq!(world.commits(), 1);
    service.register(request(json!({"endpoints": {"http": "b:80"}}))).await.unwrap();
    let device = world.device();
    assert_eq!(Value::Object(device.metadata), json!({"site": "lisbon"}));
    assert_eq!(device.endpoints.keys().collect::<Vec<_>>(), ["http"]);
}

#[tokio::test]
async fn metadata_that_breaks_the_rules_leaves_everything_as_it_was() {
    let world = World::new();
    let service = world.start(Plan { required: &["site"], ..Plan::default() });
    assert_eq!(code(&service.register(RegisterRequest::default()).await), ErrorCode::InvalidMetadata);
    assert_eq!(world.store.rows().asked, 0);
    service.register(request(json!({"metadata": {"site": "lisbon"}}))).await.unwrap();
    assert_eq!(code(&service.register(request(json!({"metadata": {"floor": 3}}))).await), ErrorCode::InvalidMetadata);
    assert_eq!(world.device().metadata["site"], "lisbon");
}

#[tokio::test]
async fn a_model_that_nobody_declared_and_endless_endpoints_are_refused() {
    let world = World::new();
    let service = world.start(Plan::default());
    let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("e{n}"), json!("a"))).collect();
    let long = "x".repeat(513);
    for body in [
        json!({"model": "toaster"}),
        json!({"endpoints": many}),
        json!({"endpoints": {"": "a"}}),
        json!({"endpoints": {"ssh": long}}),
    ] {
        let refusal = service.register(request(body)).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidField, "{refusal:?}");
    }
    assert_eq!(world.store.rows().asked, 0);
}

#[tokio::test]
async fn a_failure_is_stored_once_can_be_looked_up_and_ends_when_a_hub_comes() {
    let world = World::new();
    let service = world.start(Plan { hubs: &[], ..Plan::default() });
    for _ in 0..3 {
        assert_eq!(code(&service.register(RegisterRequest::default()).await), ErrorCode::NoHub);
    }
    assert_eq!(world.store.rows().asked, 1);
    let found = service.look_up().unwrap();
    assert!(matches!(found.registration.state, State::Failed { code: ErrorCode::NoHub, .. }));
    assert_eq!(found.assigned_hub, None);
    let restarted = world.start(Plan::default());
    let granted = restarted.register(RegisterRequest::default()).await.unwrap();
    assert_eq!(granted.assigned_hub.as_deref(), Some("h1.example:8883"));
}

#[tokio::test]
async fn a_device_that_never_registered_cannot_be_looked_up() {
    let service = World::new().start(Plan::default());
    let refusal = service.look_up().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotRegistered);
    assert_eq!(refusal.enrollment, Some(EnrollmentName::Group(GroupId::parse("line").unwrap())));
}

#[tokio::test]
async fn a_verdict_holds_as_long_as_its_certificates_and_its_enrollments() {
    let world = World::new();
    let service = world.start(Plan::default());
    let (now, proof) = (world.clock.now(), service.proof());
    let attested = |generation, from, until| Attested {
        generation,
        verdict: Ok(Proof { valid_from: from, valid_until: until, ..proof.clone() }),
    };
    let second = Duration::from_secs(1);
    assert!(service.provisioner.still_holds(&attested(1, now, now.plus(second))));
    assert!(!service.provisioner.still_holds(&attested(2, now, now.plus(second))), "other enrollments");
    assert!(!service.provisioner.still_holds(&attested(1, now.plus(second), now.plus(second * 2))), "not valid yet");
    assert!(!service.provisioner.still_holds(&attested(1, Timestamp::from_secs(0), now)), "expired");
}
