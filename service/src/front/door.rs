//! The provisioning endpoint, and which connections to its port are for a hub that shares it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::bus::RouterBus;
use super::codec::Connect;
use super::endpoint::Endpoint;
use super::hub::{self, HubDoor};
use super::limits;
use super::registry::Registry;
use crate::provisioner::Provisioner;

pub struct Door {
    pub endpoint: Arc<Endpoint>,
    pub provisioner: Arc<Provisioner>,
    pub registry: Arc<Registry>,
    /// One permit for each session without a proven enrollment.
    pub lobby: Arc<Semaphore>,
    /// Hubs on this port. Each has its own bus and its own tasks.
    shared: Vec<Arc<HubDoor>>,
}

impl Door {
    pub fn new(
        limits: limits::Config,
        provisioner: Arc<Provisioner>,
        bus: Arc<RouterBus>,
        shared: Vec<Arc<HubDoor>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry: Arc::new(Registry::new(limits.sessions_per_identity)),
            lobby: Arc::new(Semaphore::new(limits.lobby_sessions.min(Semaphore::MAX_PERMITS))),
            endpoint: Endpoint::new(limits, bus),
            provisioner,
            shared,
        })
    }

    /// The hub on this port that a connection is for, where it is for one.
    pub fn shared_hub(&self, connect: &Connect, server_name: Option<&str>) -> Option<Arc<HubDoor>> {
        hub::meant(&self.shared, connect.user_name.as_deref(), server_name).cloned()
    }
}
