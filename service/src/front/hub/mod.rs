//! Hubs over MQTT: sessions of devices with the hub that keeps their state.
//!
//! ```text
//! listener > connection > connect (may this device come in?) > session > twin, method, telemetry, command > EmbeddedHub
//! ```

mod answer;
mod command;
mod connect;
mod method;
mod on_hub;
mod request;
mod subscription;
mod telemetry;
mod twin;
mod user_name;

use std::net::IpAddr;
use std::sync::Arc;

pub use super::listener::serve;

use super::bus::RouterBus;
use super::endpoint::Endpoint;
use super::limits;
use crate::hub::EmbeddedHub;
use on_hub::{OnHub, access};
use user_name::UserName;

/// A hub's side of the front door, on a port of its own or on that of the provisioning endpoint.
pub struct HubDoor {
    pub endpoint: Arc<Endpoint>,
    pub hub: Arc<EmbeddedHub>,
    /// What devices are told: `host`, and `host:port`.
    host: String,
    address: String,
}

impl HubDoor {
    pub fn new(
        limits: limits::Config,
        hub: Arc<EmbeddedHub>,
        bus: Arc<RouterBus>,
        host: String,
        address_port: u16,
    ) -> Arc<Self> {
        let address = format!("{host}:{address_port}");
        Arc::new(Self { endpoint: Endpoint::new(limits, bus), hub, host, address })
    }

    /// Whether this hub is meant: by its name, its host, or its address.
    fn is_called(&self, name: &str) -> bool {
        [self.hub.name().as_str(), &self.host, &self.address].into_iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Whether a host tells a hub apart from what else is on its port. The machine's own names are dialled for all of it, so they never do:
/// else one hub of that host would take every client that came to be provisioned.
pub fn host_tells_apart(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    !host.eq_ignore_ascii_case("localhost") && host.parse::<IpAddr>().is_err()
}

/// The hub among those of one port that a connection is for; `None`: it is for the port itself. The user name decides; where it names
/// no hub, the host name that was dialled does, if it is one hub's alone.
pub fn meant<'a>(
    hubs: &'a [Arc<HubDoor>],
    user_name: Option<&str>,
    server_name: Option<&str>,
) -> Option<&'a Arc<HubDoor>> {
    let user_name = user_name.unwrap_or_default();
    if let Some(name) = UserName::parse(user_name) {
        return hubs.iter().find(|door| door.is_called(name.hub));
    }
    // Of another form with slashes: that of provisioning.
    if user_name.contains('/') {
        return None;
    }
    let dialled = server_name.filter(|name| host_tells_apart(name))?;
    let mut matching = hubs.iter().filter(|door| door.host.eq_ignore_ascii_case(dialled));
    let first = matching.next()?;
    matching.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
