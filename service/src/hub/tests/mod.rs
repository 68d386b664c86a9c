//! The hub role over a store and a clock in memory.

mod admission;
pub(crate) mod conformance;
mod methods;
mod post;
mod queue;
pub(crate) mod store;
mod twin;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use firsthop_certs::Authority as Ca;
use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId, Timestamp};
use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::*;
use crate::domain::attestation::Thumbprint;
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device::{Authority, Capabilities, Credential, DeviceState, Identity, InitialTwin, Resources};
use crate::domain::ports::Hub;
use store::FakeStore;

/// A clock that stands until it is set forward.
pub(crate) struct FakeClock(AtomicU64);

impl Default for FakeClock {
    fn default() -> Self {
        Self(AtomicU64::new(Timestamp::now().micros()))
    }
}

impl FakeClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

/// One hub, and what stands behind it.
pub(crate) struct World {
    pub(crate) hub: Arc<EmbeddedHub>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) clock: Arc<FakeClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(FakeStore::default())
    }

    pub(crate) fn over(store: FakeStore) -> Self {
        let (store, clock) = (Arc::new(store), Arc::new(FakeClock::default()));
        Self { hub: hub("lisbon", store.clone(), clock.clone()), store, clock }
    }

    /// Another hub over the same store.
    fn beside(&self, name: &str) -> Arc<EmbeddedHub> {
        hub(name, self.store.clone(), self.clock.clone())
    }

    /// With this device active on it.
    pub(crate) async fn with(identity: Identity) -> Self {
        let world = Self::new();
        world.assign(identity).await;
        world
    }

    pub(crate) async fn assign(&self, identity: Identity) {
        let (operation, registration) = (OperationId::random(), identity.registration_id.clone());
        self.hub.provision(operation, identity, fresh()).await.unwrap();
        self.hub.release(operation, registration).await.unwrap();
    }

    /// The device moves away.
    async fn leave(&self, registration: &str, to: Option<String>) {
        let (operation, registration) = (OperationId::random(), RegistrationId::parse(registration).unwrap());
        self.hub.fence(operation, registration.clone()).await.unwrap();
        self.hub.remove(operation, registration, to).await.unwrap();
    }

    /// The device connects.
    fn connect(&self) -> (Arc<Post>, SessionNumber) {
        connect(&self.hub)
    }
}

/// `dev-1` connects.
fn connect(hub: &EmbeddedHub) -> (Arc<Post>, SessionNumber) {
    let post = Arc::new(Post::default());
    (post.clone(), hub.enter(&dev_1(), post))
}

/// A hub of that name over that store.
pub(crate) fn hub(name: &str, store: Arc<dyn HubStore>, clock: Arc<dyn Clock>) -> Arc<EmbeddedHub> {
    let addresses: Addresses = Arc::new(|hub| Some(format!("{hub}.example:8884")));
    EmbeddedHub::new(HubName::parse(name).unwrap(), store, clock, addresses)
}

static ROOT: LazyLock<Ca> = LazyLock::new(|| Ca::root("Root").unwrap());

fn authority(ca: &Ca) -> Authority {
    let der = ca.certificate_der();
    Authority { thumbprint: thumbprint(der), der: der.as_ref().into() }
}

fn thumbprint(der: &[u8]) -> Thumbprint {
    Thumbprint(digest(&SHA256, der).as_ref().try_into().unwrap())
}

pub(crate) fn reg_1() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

pub(crate) fn dev_1() -> DeviceId {
    DeviceId::parse("dev-1").unwrap()
}

/// A device of the group below [`ROOT`].
pub(crate) fn identity(id: &str) -> Identity {
    Identity {
        device_id: DeviceId::parse(id).unwrap(),
        registration_id: RegistrationId::parse(id).unwrap(),
        credential: Credential::Authorities(vec![authority(&ROOT)]),
        capabilities: Capabilities::default(),
        resources: Resources::default(),
        topics: TopicGrants::default(),
    }
}

pub(crate) fn fresh() -> DeviceState {
    let desired = Map::from_iter([("interval".to_owned(), Value::from(30))]);
    DeviceState::initial(&InitialTwin { tags: Map::new(), desired }, Timestamp::from_secs(1_000))
}

/// What is in the post now.
fn mail(post: &Post) -> Vec<HubMail> {
    std::iter::from_fn(|| post.next().now_or_never()).collect()
}
