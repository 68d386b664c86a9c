//! Embedded hubs: their sockets, and their side of the front door.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use firsthop_protocol::HubName;
use tokio::net::TcpListener;

use super::{StartError, Tls, bind as bind_socket, start_bus};
use crate::domain::hub::{HubKind, Hubs as Linked, Place};
use crate::domain::ports::{Clock, HubStore, StoreError};
use crate::front::hub::HubDoor;
use crate::front::{bus, limits, tls};
use crate::hub::{Addresses, EmbeddedHub};
use crate::store::RedbStore;

/// The hubs as devices are told them, and the sockets of those that have one.
pub struct Bound {
    pub hubs: Linked,
    pub listeners: Vec<Listener>,
}

pub struct Listener {
    pub name: HubName,
    pub socket: TcpListener,
    pub address: SocketAddr,
    pub tls: Tls,
}

/// Opens the sockets of hubs with a port of their own. Connections wait there until they are served.
pub fn bind(
    mut hubs: Linked,
    own: Option<SocketAddr>,
    certificates: &BTreeMap<HubName, tls::Config>,
    service: &Tls,
) -> Result<Bound, StartError> {
    let wanted: Vec<(HubName, HubKind)> = hubs.iter().map(|hub| (hub.name.clone(), hub.kind.clone())).collect();
    let mut listeners = Vec::new();
    for (name, kind) in wanted {
        match kind {
            HubKind::Embedded(Place::Own(wanted)) => {
                let (socket, address) = bind_socket(wanted, "listen of the hub")?;
                let tls = match certificates.get(&name) {
                    Some(config) => tls::server_config(config)?,
                    None => service.clone(),
                };
                hubs = hubs.bound(&name, address.port());
                listeners.push(Listener { name, socket, address, tls });
            }
            HubKind::Embedded(Place::Shared) => {
                hubs = hubs.bound(&name, own.map_or(0, |address| address.port()));
            }
            HubKind::External | HubKind::Remote { .. } => {}
        }
    }
    Ok(Bound { hubs, listeners })
}

/// The hubs of this process.
pub struct Hubs {
    embedded: BTreeMap<HubName, Arc<EmbeddedHub>>,
    store: Arc<dyn HubStore>,
    clock: Arc<dyn Clock>,
    addresses: Addresses,
}

impl Hubs {
    pub fn new(linked: &Linked, store: Arc<RedbStore>, clock: Arc<dyn Clock>) -> Self {
        let addresses: BTreeMap<HubName, String> =
            linked.iter().map(|hub| (hub.name.clone(), hub.to_string())).collect();
        let addresses: Addresses = Arc::new(move |name: &HubName| addresses.get(name).cloned());
        let mut hubs = Self { embedded: BTreeMap::new(), store, clock, addresses };
        let embedded = linked.iter().filter(|hub| hub.kind.is_embedded());
        hubs.embedded = embedded.map(|hub| (hub.name.clone(), hubs.make(&hub.name))).collect();
        hubs
    }

    fn make(&self, name: &HubName) -> Arc<EmbeddedHub> {
        EmbeddedHub::new(name.clone(), self.store.clone(), self.clock.clone(), self.addresses.clone())
    }

    pub fn embedded(&self) -> Vec<Arc<EmbeddedHub>> {
        self.embedded.values().cloned().collect()
    }

    /// The hub of that name: one that devices can reach, else one that only the devices of an earlier declaration are fetched from.
    pub fn named(&self, name: &HubName) -> Arc<EmbeddedHub> {
        self.embedded.get(name).cloned().unwrap_or_else(|| self.make(name))
    }

    /// Whether devices are kept here for the hub of that name.
    pub fn has_devices(&self, name: &HubName) -> Result<bool, StoreError> {
        Ok(self.store.hub_device_count(name)? > 0)
    }

    /// Their side of the front door. Each has a bus of its own: no message passes from one hub to another.
    pub fn doors(
        &self,
        linked: &Linked,
        limits: &limits::Config,
        bus: &bus::Config,
    ) -> Result<Vec<Arc<HubDoor>>, StartError> {
        let hubs = self.embedded.iter().filter_map(|(name, hub)| Some((hub, linked.named(name)?)));
        hubs.map(|(hub, declared)| {
            let bus = start_bus(bus)?;
            Ok(HubDoor::new(limits.clone(), hub.clone(), bus, declared.host.clone(), declared.port))
        })
        .collect()
    }
}

/// The hubs on the port of the provisioning endpoint.
pub fn shared(linked: &Linked, doors: &[Arc<HubDoor>]) -> Vec<Arc<HubDoor>> {
    let is_shared = |door: &&Arc<HubDoor>| {
        linked.named(door.hub.name()).is_some_and(|hub| hub.kind == HubKind::Embedded(Place::Shared))
    };
    doors.iter().filter(is_shared).cloned().collect()
}
