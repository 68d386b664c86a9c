//! The hub role: what devices and the back end do with a device on its hub. The provisioner reaches it through
//! [`ports::Hub`](crate::domain::ports::Hub); sessions of devices call it directly.
//!
//! The hub keeps nothing of a device itself but its session: every question is answered from the store, and every change is durable
//! there before it is acknowledged. The store refuses changes of a device that is not active here, in the order of the commits: that is
//! what makes a fence one.

mod admission;
mod calls;
mod events;
mod fault;
mod methods;
mod port;
mod post;
mod queue;
mod sessions;
mod turns;
mod twin;

use std::sync::Arc;

use firsthop_protocol::{HubName, Timestamp};

use crate::domain::ports::{Clock, HubStore};

pub use admission::{Admitted, Denied};
pub use post::{HubMail, Post};
pub use sessions::SessionNumber;

use admission::AuthorityCache;
use sessions::Sessions;
use turns::Turns;

/// Tells the `host:port` of a hub of this process.
pub type Addresses = Arc<dyn Fn(&HubName) -> Option<String> + Send + Sync>;

/// One embedded hub.
pub struct EmbeddedHub {
    name: HubName,
    store: Arc<dyn HubStore>,
    clock: Arc<dyn Clock>,
    /// For devices that moved to another hub of this process.
    addresses: Addresses,
    authorities: AuthorityCache,
    sessions: Arc<Sessions>,
    /// Changes of one twin are made one after the other.
    turns: Arc<Turns>,
}

impl EmbeddedHub {
    pub fn new(name: HubName, store: Arc<dyn HubStore>, clock: Arc<dyn Clock>, addresses: Addresses) -> Arc<Self> {
        Arc::new(Self {
            name,
            store,
            clock,
            addresses,
            authorities: AuthorityCache::default(),
            sessions: Arc::default(),
            turns: Arc::default(),
        })
    }

    pub fn name(&self) -> &HubName {
        &self.name
    }

    /// The hub's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[cfg(test)]
pub(crate) mod tests;
