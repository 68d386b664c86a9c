//! Hubs, as allocation sees them: an address with a weight.

use std::collections::BTreeMap;
use std::fmt;

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

/// All linked hubs, by name.
#[derive(Debug, Clone, Default)]
pub struct Hubs(BTreeMap<HubName, Hub>);

impl Hubs {
    pub fn named(&self, name: &HubName) -> Option<&Hub> {
        self.0.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hub> {
        self.0.values()
    }
}

impl FromIterator<Hub> for Hubs {
    fn from_iter<I: IntoIterator<Item = Hub>>(hubs: I) -> Self {
        Self(hubs.into_iter().map(|hub| (hub.name.clone(), hub)).collect())
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
        };
        assert_eq!(hub("::1").to_string(), "[::1]:8884");
        assert_eq!(hub("hub.example").to_string(), "hub.example:8884");
    }
}
