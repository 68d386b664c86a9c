//! Hub sessions over connections in memory, on a hub whose store is in memory too.

mod admission;
mod client;
mod commands;
mod lasting;
mod messages;
mod twins;
mod waiting;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use firsthop_certs::Authority as Ca;
use firsthop_protocol::HubName;
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use super::HubDoor;
use crate::domain::attestation::Thumbprint;
use crate::domain::hub_device::{Credential, EventStorage, Identity};
use crate::domain::ports::{DeviceBound, Enqueued, Hub, HubStore, TwinUpdate};
use crate::front::bus::RouterBus;
use crate::front::limits;
use crate::hub::tests::{World, dev_1, identity};
use crate::hub::{Addresses, EmbeddedHub};
use client::{Client, Frame, Hello, Message, v5, v311};

/// A hub behind its door, and the certificates of its device.
struct Stage {
    world: World,
    door: Arc<HubDoor>,
    chain: Vec<CertificateDer<'static>>,
}

impl Stage {
    /// With `dev-1` on it.
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Identity)) -> Self {
        let chain = chain("dev-1");
        let mut identity = known_by(&chain, "dev-1");
        change(&mut identity);
        let world = World::with(identity).await;
        Self { door: door(&world), chain, world }
    }

    async fn connect(&self, hello: &Hello) -> Client {
        let (client, connack) = Client::connect(&self.door, &self.chain, hello).await;
        assert_eq!(connack.body[1], 0, "{connack:?}");
        client
    }

    /// The service begins anew over the same store.
    fn restart(&mut self) {
        self.world.hub = hub_over(&self.world, "lisbon");
        self.door = door(&self.world);
    }

    /// Messages in the command queue.
    fn waiting(&self) -> usize {
        self.world.store.queue(self.world.hub.name(), &dev_1(), None, 100).unwrap().len()
    }

    async fn desire(&self, patch: Value) {
        let update = TwinUpdate { tags: None, desired: Some(patch), replace: false };
        self.world.hub.update_twin(dev_1(), update, None).await.unwrap();
    }

    async fn enqueue(&self, properties: &str, payload: &str) {
        let message = DeviceBound { properties: properties.into(), payload: payload.into(), expires: None };
        let enqueued = self.world.hub.enqueue(dev_1(), message).await.unwrap();
        assert!(matches!(enqueued, Enqueued::Done(_)));
    }
}

fn door(world: &World) -> Arc<HubDoor> {
    HubDoor::new(limits::Config::default(), world.hub.clone(), bus(), "hub.example".into(), 8884)
}

fn bus() -> Arc<RouterBus> {
    Arc::new(RouterBus::start(crate::front::bus::Config::default()).unwrap())
}

/// A hub over the world's store.
fn hub_over(world: &World, name: &str) -> Arc<EmbeddedHub> {
    let addresses: Addresses = Arc::new(|hub| Some(format!("{hub}.example:8884")));
    EmbeddedHub::new(HubName::parse(name).unwrap(), world.store.clone(), world.clock.clone(), addresses)
}

fn chain(id: &str) -> Vec<CertificateDer<'static>> {
    Ca::root("Devices").unwrap().device(id).unwrap().chain
}

/// A device that is known by its certificate.
fn known_by(chain: &[CertificateDer<'_>], id: &str) -> Identity {
    let thumbprint = Thumbprint(digest(&SHA256, &chain[0]).as_ref().try_into().unwrap());
    Identity { credential: Credential::Certificates(vec![thumbprint]), ..identity(id) }
}
