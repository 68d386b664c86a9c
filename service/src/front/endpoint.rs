//! What all connections to one endpoint share, whatever its role: the provisioning endpoint, or a hub.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bus::RouterBus;
use super::limits;

pub struct Endpoint {
    pub limits: limits::Config,
    /// Ordinary topics of this endpoint; no message passes from one endpoint to another.
    pub bus: Arc<RouterBus>,
    /// One permit for each session.
    pub places: Arc<Semaphore>,
    /// No further connections; sessions end once they have answered what is under way.
    pub stopping: CancellationToken,
    /// Every connection.
    pub tasks: TaskTracker,
}

impl Endpoint {
    pub fn new(limits: limits::Config, bus: Arc<RouterBus>) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(limits.sessions.min(Semaphore::MAX_PERMITS))),
            limits,
            bus,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }
}
