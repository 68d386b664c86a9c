//! Hubs as the configuration file declares them, and what has to go together for them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use firsthop_config::{ConfigError, Located, Source};
use firsthop_protocol::HubName;
use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::domain::hub::{self, HubKind, Hubs, Place};
use crate::front::hub::host_tells_apart;
use crate::front::tls;

/// A linked hub. Without `listen`, `shared` and `remote` it is an address only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    name: Located<HubName>,
    /// DNS name or IP address that devices connect to.
    host: Located<String>,
    /// The port that devices are told. Without it: the one where the hub listens, else 8883.
    port: Option<Located<u16>>,
    /// Embedded, with a port of its own.
    listen: Option<Located<SocketAddr>>,
    /// Embedded, on the port of the provisioning endpoint.
    #[serde(default)]
    shared: Located<bool>,
    /// On another machine: the URL of its hub port.
    remote: Option<Located<String>>,
    /// Certificate of its own port, when it is not the service's.
    tls: Option<tls::Config>,
    /// Share of devices relative to the other hubs, 1 to 1000.
    #[serde(default = "default_weight")]
    weight: Located<u16>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Takes no new devices.
    #[serde(default)]
    drained: bool,
}

/// The port of MQTT over TLS.
const DEFAULT_PORT: u16 = 8883;

fn default_weight() -> Located<u16> {
    1.into()
}

/// What the rest of the file says that hubs depend on.
pub struct Around {
    /// The provisioning endpoint's address; `None` in a process with hubs only.
    pub listener: Option<SocketAddr>,
    pub has_hub_client: bool,
}

/// The hubs, and the certificates of those that have one of their own. A port 0 is that which its listener will be bound to.
pub fn hubs(
    source: &Source,
    declared: Vec<Hub>,
    around: &Around,
    errors: &mut Vec<ConfigError>,
    notices: &mut Vec<String>,
) -> (Hubs, BTreeMap<HubName, tls::Config>) {
    let mut names = HashMap::new();
    let mut addresses: HashMap<SocketAddr, String> =
        around.listener.map(|address| (address, "listener.address".to_owned())).into_iter().collect();
    for hub in &declared {
        if let Some(first) = names.insert(hub.name.as_str().to_owned(), hub.name.span()) {
            let message = format!("hub {} is declared already at {}", *hub.name, source.at(first));
            errors.push(source.error(hub.name.span(), message));
        }
        if let Some(listen) = hub.listen.as_ref().filter(|listen| listen.port() != 0)
            && let Some(other) = addresses.insert(**listen, format!("hub {}", *hub.name))
        {
            errors.push(source.error(listen.span(), format!("{other} listens on {} already", **listen)));
        }
        hub.check(source, around, errors);
        if hub.tls.is_some() && hub.listen.is_none() {
            notices.push(format!("hub {} has no port of its own (listen): its certificate is not used", *hub.name));
        }
        let alike = || declared.iter().any(|other| other.name != hub.name && hub.shares_host_with(other));
        if *hub.shared && (!host_tells_apart(&hub.host) || alike()) {
            notices.push(format!(
                "hub {name} is on the listener's port, and its host {host} is not its alone: devices that do not say {name} in their \
                 user name do not reach it; give it a host of its own",
                name = *hub.name,
                host = *hub.host
            ));
        }
    }
    let mut certificates = BTreeMap::new();
    let hubs = declared.into_iter().map(|hub| {
        if let Some(config) = &hub.tls {
            let config =
                tls::Config { certificate: source.resolve(&config.certificate), key: source.resolve(&config.key) };
            certificates.insert((*hub.name).clone(), config);
        }
        hub.into_domain(around)
    });
    (hubs.collect(), certificates)
}

impl Hub {
    fn shares_host_with(&self, other: &Self) -> bool {
        *self.shared && *other.shared && self.host.eq_ignore_ascii_case(&other.host)
    }

    fn check(&self, source: &Source, around: &Around, errors: &mut Vec<ConfigError>) {
        let name = &*self.name;
        if !(1..=1000).contains(&*self.weight) {
            errors.push(source.error(self.weight.span(), format!("a weight is 1 to 1000, not {}", *self.weight)));
        }
        if ServerName::try_from(self.host.as_str()).is_err() {
            let message = "a host is a DNS name or an IP address, without port or brackets";
            errors.push(source.error(self.host.span(), message));
        }
        if let Some(port) = self.port.as_ref().filter(|port| ***port == 0) {
            errors.push(source.error(port.span(), format!("hub {name} has port 0, where nobody can connect")));
        }
        let kinds = [self.listen.is_some(), *self.shared, self.remote.is_some()];
        if kinds.iter().filter(|kind| **kind).count() > 1 {
            let message = format!("hub {name} can have one of listen, shared and remote");
            errors.push(source.error(self.name.span(), message));
        }
        if let Some(remote) = &self.remote {
            if !remote.starts_with("https://") {
                errors.push(source.error(remote.span(), "the address of a hub port is https://host:port"));
            }
            if !around.has_hub_client {
                let message = format!("hub {name} is on another machine: [hub_client] must say how it is called");
                errors.push(source.error(remote.span(), message));
            }
        }
        if around.listener.is_none() && self.listen.is_none() {
            let message = format!(
                "a process with hubs only (provisioning.enabled = false) has them itself: give hub {name} a port to listen on"
            );
            errors.push(source.error(self.name.span(), message));
        }
    }

    fn into_domain(self, around: &Around) -> hub::Hub {
        let (kind, bound) = match (self.listen, *self.shared, self.remote) {
            (Some(listen), ..) => (HubKind::Embedded(Place::Own(*listen)), listen.port()),
            (None, true, _) => {
                (HubKind::Embedded(Place::Shared), around.listener.map_or(DEFAULT_PORT, |own| own.port()))
            }
            (None, false, Some(remote)) => (HubKind::Remote { url: remote.into_inner() }, DEFAULT_PORT),
            (None, false, None) => (HubKind::External, DEFAULT_PORT),
        };
        hub::Hub {
            name: self.name.into_inner(),
            host: self.host.into_inner(),
            port: self.port.map_or(bound, Located::into_inner),
            weight: self.weight.into_inner(),
            labels: self.labels,
            drained: self.drained,
            kind,
        }
    }
}
