//! The use cases over a store and a clock in memory.

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use firsthop_certs::Authority;
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{ErrorCode, GroupId, HubName, RegisterRequest, RegistrationId, RequestId, StatusRequest};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::operations::Outcome;
use super::*;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::attestation::{EnrolledCertificate, Thumbprint};
use crate::domain::device::Device;
use crate::domain::enrollment::{Certificates, Enrollment, QuotaRates, TopicGrants};
use crate::domain::hub::Hub;
use crate::domain::metadata::MetadataRules;
use crate::domain::ports::{CommitError, Committing, Decision, StoreError};
use crate::domain::quota::Rate;
use crate::domain::registration::{Registered, State};

/// A store in memory that counts what is written and fails when told to.
#[derive(Default)]
struct FakeStore {
    rows: Mutex<Rows>,
    /// A commit waits for a permit, when there is a gate.
    gate: Option<Semaphore>,
}

type Other = Box<dyn FnOnce(&mut Rows) + Send>;

#[derive(Default)]
struct Rows {
    registered: HashMap<RegistrationId, Registered>,
    devices: HashMap<RegistrationId, Device>,
    /// Commits that were asked for, and those that succeeded.
    asked: usize,
    commits: usize,
    unavailable: bool,
    /// What happens just before the next commits: another one comes first.
    others: Vec<Other>,
}

impl FakeStore {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::default() }
    }
}

impl Rows {
    fn write(&mut self, decision: Decision) -> ETag {
        self.commits += 1;
        let etag = ETag::new(self.commits as u64);
        let id = decision.registration.id.clone();
        if let Some(device) = decision.device {
            self.devices.insert(id.clone(), device);
        }
        self.registered.insert(id, Registered { registration: decision.registration, etag });
        etag
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.unavailable { Err(StoreError::Unavailable("the disk is full".into())) } else { Ok(()) }
    }
}

impl Store for FakeStore {
    fn registration(&self, id: &RegistrationId) -> Result<Option<Registered>, StoreError> {
        let rows = self.rows();
        rows.check().map(|()| rows.registered.get(id).cloned())
    }

    fn device(&self, id: &RegistrationId) -> Result<Option<Device>, StoreError> {
        let rows = self.rows();
        rows.check().map(|()| rows.devices.get(id).cloned())
    }

    fn commit(&self, decision: Decision) -> Committing<'_> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let mut rows = self.rows();
            rows.asked += 1;
            rows.check()?;
            if let Some(other) = rows.others.pop() {
                other(&mut rows);
            }
            let current = rows.registered.get(&decision.registration.id).map(|stored| stored.etag);
            if current != decision.expected {
                return Err(CommitError::Conflict { current });
            }
            Ok(rows.write(decision))
        })
    }
}

/// A clock that a test sets.
struct FakeClock(Mutex<Duration>);

impl FakeClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000).plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// What outlives a restart, and the clock.
struct World {
    store: Arc<FakeStore>,
    clock: Arc<FakeClock>,
}

impl World {
    fn new() -> Self {
        Self::with(FakeStore::default())
    }

    fn with(store: FakeStore) -> Self {
        Self { store: Arc::new(store), clock: Arc::new(FakeClock(Mutex::new(Duration::from_secs(1_000)))) }
    }

    /// A provisioner that knows nothing but what is stored, as after a start.
    fn start(&self, plan: Plan) -> Started {
        let entries = ["line", "other"].map(|name| plan.enrollment(name));
        let declared = Declared { book: Book::new(1, entries.into()).unwrap(), hubs: plan.hubs(), models: Vec::new() };
        let provisioner = Provisioner::new(self.store.clone(), self.clock.clone(), declared, QuotaConfig::default());
        let provisioner = Provisioner { service_quotas: Quotas::new(plan.service), ..provisioner };
        Started { provisioner }
    }

    fn commits(&self) -> usize {
        self.store.rows().commits
    }

    fn device(&self) -> Device {
        self.store.rows().devices.get(&id()).unwrap().clone()
    }
}

/// What is configured.
struct Plan {
    hubs: &'static [&'static str],
    service: QuotaRates,
    entry: QuotaRates,
    required: &'static [&'static str],
}

impl Default for Plan {
    fn default() -> Self {
        Self { hubs: &["h1"], service: QuotaRates::default(), entry: QuotaRates::default(), required: &[] }
    }
}

/// Two authorities: making one takes time, and nothing here depends on them.
static AUTHORITIES: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
    ["line", "other"].map(|name| (name, Authority::root(name).unwrap().certificate_der().to_vec())).into()
});

impl Plan {
    fn enrollment(&self, name: &str) -> Enrollment {
        let certificate = EnrolledCertificate::group_ca(AUTHORITIES[name].clone().into()).unwrap();
        Enrollment {
            name: EnrollmentName::Group(GroupId::parse(name).unwrap()),
            enabled: true,
            certificates: Certificates { primary: certificate, secondary: None },
            device_id: None,
            allocation: AllocationPolicy::Hashed,
            hubs: Vec::new(),
            metadata: MetadataRules {
                required: self.required.iter().map(|&path| path.to_owned()).collect(),
                ..MetadataRules::default()
            },
            model: None,
            quotas: self.entry,
            topics: TopicGrants::default(),
        }
    }

    fn hubs(&self) -> Hubs {
        let hub = |name: &&str| Hub {
            name: HubName::parse(name).unwrap(),
            host: format!("{name}.example"),
            port: 8883,
            weight: 1,
            labels: Default::default(),
            drained: false,
        };
        self.hubs.iter().map(hub).collect()
    }
}

struct Started {
    provisioner: Provisioner,
}

impl Started {
    fn proof_of(&self, group: &str, id: RegistrationId) -> Proof {
        let entries = self.provisioner.entries.load();
        let enrollment = entries.declared.book.group(&GroupId::parse(group).unwrap()).unwrap().clone();
        let (valid_from, valid_until) = (Timestamp::from_secs(0), Timestamp::from_secs(4_000_000_000));
        Proof { id, enrollment, thumbprint: Thumbprint([7; 32]), valid_from, valid_until }
    }

    fn proof(&self) -> Proof {
        self.proof_of("line", id())
    }

    async fn register(&self, request: RegisterRequest) -> Outcome {
        self.provisioner.register(&self.proof(), Arc::new(request), OperationId::random()).await
    }

    fn look_up(&self) -> Outcome {
        self.provisioner.look_up(&self.proof(), &StatusRequest::default())
    }
}

fn id() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

fn request(body: Value) -> RegisterRequest {
    serde_json::from_value(body).unwrap()
}

fn code(outcome: &Outcome) -> ErrorCode {
    outcome.as_ref().unwrap_err().code
}

fn per_minute(count: u32) -> QuotaRates {
    let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(60) };
    QuotaRates { registrations: Some(rate), lookups: None }
}

/// Lets a future go on as far as it can now.
async fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

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
    let decision = Decision { registration: theirs.registration.clone(), expected: None, device: None };
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
