//! What all connections share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bus::RouterBus;
use super::limits;
use super::registry::Registry;
use crate::provisioner::Provisioner;

pub struct Door {
    pub limits: limits::Config,
    pub provisioner: Arc<Provisioner>,
    pub registry: Registry,
    pub bus: Arc<RouterBus>,
    /// One permit for each session.
    pub places: Arc<Semaphore>,
    /// One permit for each session without a proven enrollment.
    pub lobby: Arc<Semaphore>,
    /// No further connections; sessions end once they have answered what is under way.
    pub stopping: CancellationToken,
    /// Every connection.
    pub tasks: TaskTracker,
}

impl Door {
    pub fn new(limits: limits::Config, provisioner: Arc<Provisioner>, bus: Arc<RouterBus>) -> Arc<Self> {
        Arc::new(Self {
            registry: Registry::new(limits.sessions_per_identity),
            places: Arc::new(Semaphore::new(limits.sessions.min(Semaphore::MAX_PERMITS))),
            lobby: Arc::new(Semaphore::new(limits.lobby_sessions.min(Semaphore::MAX_PERMITS))),
            limits,
            provisioner,
            bus,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }
}
