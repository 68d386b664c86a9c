//! Hubs, as allocation sees them: an address with a weight.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use firsthop_protocol::HubName;

/// A linked hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    pub name: HubName,
    pub host: String,
    pub port: u16,
    /// Share of devices relative to the other hubs, 1 to 1000 (rule B5).
    pub weight: u16,
    pub labels: BTreeMap<String, String>,
    /// Takes no new devices; those it has stay.
    pub drained: bool,
    pub kind: HubKind,
}

/// Where a hub's devices are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HubKind {
    /// An address only: whatever is there keeps its devices itself, and nothing moves to it or from it.
    #[default]
    External,
    /// A role of this process; its devices are in the store of the registrations.
    Embedded(Place),
    /// On another machine, reached through its hub port at this URL.
    Remote { url: String },
}

/// Where an embedded hub listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a port of its own.
    Own(SocketAddr),
    /// On the service's port: told apart by the hub name in the MQTT user name, or by the TLS server name.
    Shared,
}

impl HubKind {
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }
}

/// The address that devices are told.
impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Hub {
    /// What groups hubs for the lowest latency.
    pub fn region(&self) -> Option<&str> {
        self.labels.get("region").map(String::as_str)
    }
}

/// Where the devices of a hub are kept, as far as moving them goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nowhere that the service knows of.
    Nothing,
    /// In the store of the registrations.
    Here,
    /// On another machine.
    Elsewhere,
}

/// All linked hubs, by name.
#[derive(Debug, Clone, Default)]
pub struct Hubs {
    linked: BTreeMap<HubName, Hub>,
    /// Hubs on other machines that were declared once: their devices can still be fetched.
    remembered: BTreeSet<HubName>,
    /// Hubs whose devices' data an operator has given up.
    lost: BTreeSet<HubName>,
}

impl Hubs {
    pub fn named(&self, name: &HubName) -> Option<&Hub> {
        self.linked.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hub> {
        self.linked.values()
    }

    /// With the hubs on other machines that are known from earlier declarations.
    pub fn remembering(mut self, remote: impl IntoIterator<Item = HubName>) -> Self {
        self.remembered.extend(remote);
        self
    }

    /// With hubs that will not come back: their devices get their initial state elsewhere.
    pub fn losing(mut self, lost: impl IntoIterator<Item = HubName>) -> Self {
        self.lost.extend(lost);
        self
    }

    pub fn lost(&self) -> impl Iterator<Item = &HubName> {
        self.lost.iter()
    }

    pub fn is_lost(&self, name: &HubName) -> bool {
        self.lost.contains(name)
    }

    /// The same hubs, with the port of one of them that its listener was bound to.
    pub fn bound(mut self, name: &HubName, port: u16) -> Self {
        if let Some(hub) = self.linked.get_mut(name).filter(|hub| hub.port == 0) {
            hub.port = port;
        }
        self
    }

    /// The same hubs, one of them drained or not.
    pub fn drained(mut self, name: &HubName, drained: bool) -> Self {
        if let Some(hub) = self.linked.get_mut(name) {
            hub.drained = drained;
        }
        self
    }

    /// Where that hub's devices are, also when it is not linked any more.
    pub fn keeps(&self, name: &HubName) -> Keeps {
        if self.is_lost(name) {
            return Keeps::Nothing;
        }
        match self.linked.get(name).map(|hub| &hub.kind) {
            Some(HubKind::External) => Keeps::Nothing,
            Some(HubKind::Embedded(_)) => Keeps::Here,
            Some(HubKind::Remote { .. }) => Keeps::Elsewhere,
            None if self.remembered.contains(name) => Keeps::Elsewhere,
            None => Keeps::Here,
        }
    }
}

impl FromIterator<Hub> for Hubs {
    fn from_iter<I: IntoIterator<Item = Hub>>(hubs: I) -> Self {
        Self { linked: hubs.into_iter().map(|hub| (hub.name.clone(), hub)).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_host_is_bracketed() {
        let hub = |host: &str| Hub {
            name: HubName::parse("h").unwrap(),
            host: host.into(),
            port: 8884,
            weight: 1,
            labels: BTreeMap::new(),
            drained: false,
            kind: HubKind::External,
        };
        assert_eq!(hub("::1").to_string(), "[::1]:8884");
        assert_eq!(hub("hub.example").to_string(), "hub.example:8884");
    }
}
