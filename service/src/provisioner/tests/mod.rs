//! The use cases over a store, a clock, hubs and a webhook in memory.

mod allocating;
mod evacuating;
mod hubs;
mod left_over;
mod moving;
mod operators;
mod registering;
mod resuming;
mod store;

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex};
use std::task::Poll;
use std::time::Duration;

use firsthop_certs::Authority;
use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{
    DeviceId, ErrorCode, GroupId, HubName, OperationId, RegisterRequest, RegistrationId, RequestId, StatusRequest,
};
use serde_json::{Value, json};

use super::operations::Outcome;
use super::*;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::attestation::{EnrolledCertificate, Thumbprint};
use crate::domain::device::Device;
use crate::domain::enrollment::{Certificates, Enrollment, QuotaRates, TopicGrants, Webhook};
use crate::domain::hub::{self, HubKind, Place};
use crate::domain::metadata::MetadataRules;
use crate::domain::ports::{AllocationAnswer, AllocationFault, AllocationRequest};
use crate::domain::quota::Rate;
use crate::domain::registration::State;
use crate::domain::reprovision::ReprovisionPolicy;
use hubs::FakeHub;
use store::FakeStore;

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

type Answer = Result<AllocationAnswer, AllocationFault>;

/// A webhook that answers what it is told to, and remembers what it was asked.
#[derive(Default)]
struct FakeWebhook {
    answer: Mutex<Option<Answer>>,
    asked: Mutex<Vec<Value>>,
}

impl FakeWebhook {
    fn answers(&self, body: Value) {
        *self.answer.lock().unwrap() = Some(Ok(AllocationAnswer { body }));
    }

    fn fails(&self, fault: AllocationFault) {
        *self.answer.lock().unwrap() = Some(Err(fault));
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Allocator for FakeWebhook {
    fn allocate(&self, request: AllocationRequest) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.body);
            let answer = self.answer.lock().unwrap().clone();
            match answer {
                Some(answer) => answer,
                // It hangs.
                None => std::future::pending().await,
            }
        })
    }
}

/// What outlives a restart, and the clock.
struct World {
    store: Arc<FakeStore>,
    clock: Arc<FakeClock>,
    webhook: Arc<FakeWebhook>,
    /// Hubs on other machines, and the session side of embedded ones.
    hubs: Mutex<BTreeMap<HubName, Arc<FakeHub>>>,
}

impl World {
    fn new() -> Self {
        Self::with(FakeStore::default())
    }

    fn with(store: FakeStore) -> Self {
        Self {
            store: Arc::new(store),
            clock: Arc::new(FakeClock(Mutex::new(Duration::from_secs(1_000)))),
            webhook: Arc::default(),
            hubs: Mutex::default(),
        }
    }

    fn hub(&self, name: &str) -> Arc<FakeHub> {
        let name = hub_name(name);
        self.hubs.lock().unwrap().entry(name.clone()).or_insert_with(|| Arc::new(FakeHub::new(name))).clone()
    }

    /// A provisioner that knows nothing but what is stored, as after a start.
    fn start(&self, plan: Plan) -> Started {
        let entries = ["line", "other"].map(|name| plan.enrollment(name));
        let declared = Declared { book: Book::new(1, entries.into()).unwrap(), hubs: plan.hubs(), models: Vec::new() };
        let mut names: Vec<HubName> = declared.hubs.iter().map(|hub| hub.name.clone()).collect();
        names.extend(plan.former.iter().map(|name| hub_name(name)));
        let reached = names.into_iter().filter(|name| !name.as_str().starts_with("plain"));
        let ports = Ports {
            store: self.store.clone(),
            clock: self.clock.clone(),
            hubs: reached.map(|name| (name.clone(), self.hub(name.as_str()) as Arc<dyn Hub>)).collect(),
            allocator: self.webhook.clone(),
        };
        let provisioner = Provisioner::new(ports, declared, QuotaConfig::default()).unwrap();
        let provisioner = Arc::new(Provisioner { service_quotas: Quotas::new(plan.service), ..provisioner });
        provisioner.resume().unwrap();
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
#[derive(Clone)]
struct Plan {
    /// By name: one that begins with `far` is on another machine, with `plain` an address only, others are embedded.
    hubs: &'static [&'static str],
    /// Hubs that are not declared any more.
    former: &'static [&'static str],
    /// The hubs that the entry lists.
    lists: &'static [&'static str],
    allocation: AllocationPolicy,
    reprovision: Option<ReprovisionPolicy>,
    service: QuotaRates,
    entry: QuotaRates,
    required: &'static [&'static str],
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            hubs: &["h1"],
            former: &[],
            lists: &[],
            allocation: AllocationPolicy::Hashed,
            reprovision: None,
            service: QuotaRates::default(),
            entry: QuotaRates::default(),
            required: &[],
        }
    }
}

/// Two authorities: making one takes time, and nothing here depends on them.
static AUTHORITIES: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
    ["line", "other"].map(|name| (name, Authority::root(name).unwrap().certificate_der().to_vec())).into()
});

impl Plan {
    fn enrollment(&self, name: &str) -> Enrollment {
        let certificate = EnrolledCertificate::group_ca(AUTHORITIES[name].clone().into()).unwrap();
        let webhook = Webhook { url: "https://allocate.example/".into(), secret: None };
        Enrollment {
            name: EnrollmentName::Group(GroupId::parse(name).unwrap()),
            enabled: true,
            certificates: Certificates { primary: certificate, secondary: None },
            device_id: None,
            allocation: self.allocation,
            hubs: self.lists.iter().map(|name| hub_name(name)).collect(),
            metadata: MetadataRules {
                required: self.required.iter().map(|&path| path.to_owned()).collect(),
                ..MetadataRules::default()
            },
            model: None,
            quotas: self.entry,
            topics: TopicGrants::default(),
            reprovision: self.reprovision,
            initial_twin: Default::default(),
            capabilities: Default::default(),
            resources: Default::default(),
            webhook: (self.allocation == AllocationPolicy::Custom).then_some(webhook),
            digest: 1,
        }
    }

    fn hubs(&self) -> Hubs {
        let hub = |name: &&str| hub::Hub {
            name: hub_name(name),
            host: format!("{name}.example"),
            port: 8883,
            weight: 1,
            labels: Default::default(),
            drained: false,
            kind: match name {
                far if far.starts_with("far") => HubKind::Remote { url: "https://far.example".into() },
                plain if plain.starts_with("plain") => HubKind::External,
                _ => HubKind::Embedded(Place::Shared),
            },
        };
        self.hubs.iter().map(hub).collect()
    }

    /// The same with these hubs in the entry.
    fn listing(&self, lists: &'static [&'static str]) -> Self {
        Self { lists, ..self.clone() }
    }
}

struct Started {
    provisioner: Arc<Provisioner>,
}

impl Started {
    fn proof_of(&self, group: &str, id: RegistrationId) -> Proof {
        let entries = self.provisioner.entries.load();
        let enrollment = entries.book.group(&GroupId::parse(group).unwrap()).unwrap().clone();
        let (valid_from, valid_until) = (Timestamp::from_secs(0), Timestamp::from_secs(4_000_000_000));
        Proof { id, enrollment, thumbprint: Thumbprint([7; 32]), valid_from, valid_until }
    }

    fn proof(&self) -> Proof {
        self.proof_of("line", id())
    }

    async fn register(&self, request: RegisterRequest) -> Outcome {
        self.provisioner.register(&self.proof(), Arc::new(request), OperationId::random()).await
    }

    /// Registers in a task of its own.
    fn registering(&self, request: RegisterRequest) -> tokio::task::JoinHandle<Outcome> {
        let (provisioner, proof) = (self.provisioner.clone(), self.proof());
        tokio::spawn(async move { provisioner.register(&proof, Arc::new(request), OperationId::random()).await })
    }

    /// Registers a fleet, `dev-0` and so on.
    async fn register_fleet(&self, devices: usize) {
        for n in 0..devices {
            let proof = self.proof_of("line", RegistrationId::parse(&format!("dev-{n}")).unwrap());
            self.provisioner.register(&proof, Arc::default(), OperationId::random()).await.unwrap();
        }
    }

    fn look_up(&self) -> Outcome {
        self.provisioner.look_up(&self.proof(), &StatusRequest::default())
    }

    /// Waits until the device's move is over.
    async fn settled(&self) {
        if let Some(running) = self.provisioner.moves.of(&id()) {
            assert!(running.ended().await, "the move ends");
        }
    }
}

fn id() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

fn device_id() -> DeviceId {
    DeviceId::from(&id())
}

fn hub_name(name: &str) -> HubName {
    HubName::parse(name).unwrap()
}

fn request(body: Value) -> RegisterRequest {
    serde_json::from_value(body).unwrap()
}

fn code(outcome: &Outcome) -> ErrorCode {
    outcome.as_ref().unwrap_err().code
}

fn place(outcome: &Outcome) -> (String, Substatus) {
    match &outcome.as_ref().unwrap().registration.state {
        State::Assigned { hub, substatus } => (hub.to_string(), *substatus),
        State::Failed { message, .. } => panic!("{message}"),
    }
}

fn per_minute(count: u32) -> QuotaRates {
    let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(60) };
    QuotaRates { registrations: Some(rate), lookups: None }
}

/// Lets a future go on as far as it can now.
async fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
