//! Settings of the hub port: of the process that has the hubs, and of the service that calls it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Where a process with hubs lets the service reach them (`[hub_port]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    /// PEM file with this process's certificate and its intermediates, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key; readable by its owner only.
    pub key: PathBuf,
    /// PEM file with the CA certificates that callers are verified with.
    pub client_ca: PathBuf,
    /// Common names of the certificates that may call, whatever their case. Nobody else may.
    pub clients: Vec<String>,
    /// Connections at a time, handshakes included.
    #[serde(default = "connections")]
    pub connections: usize,
    /// Time for a TLS handshake, and for reading a request.
    #[serde(default = "timeout", with = "firsthop_config::duration")]
    pub timeout: Duration,
}

/// How the service calls hubs on other machines (`[hub_client]`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// PEM file with the service's certificate towards hubs and its intermediates, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key; readable by its owner only.
    pub key: PathBuf,
    /// PEM file with the CA certificates that hubs are verified with.
    pub ca: PathBuf,
    /// Time for a call in all. A call of a direct method takes what its device may take besides.
    #[serde(default = "timeout", with = "firsthop_config::duration")]
    pub timeout: Duration,
    /// Calls to one hub at a time, and connections to it. Calls of direct methods have as many of their own.
    #[serde(default = "connections")]
    pub connections: usize,
}

impl ServerConfig {
    /// Names the settings with which nobody could call.
    pub fn problems(&self) -> Vec<String> {
        let nobody = self
            .clients
            .is_empty()
            .then(|| "hub_port.clients is empty: name the common names of the certificates that may call".to_owned());
        let nameless = self
            .clients
            .iter()
            .any(|name| name.trim().is_empty())
            .then(|| "hub_port.clients has an empty name: no certificate is let in by it".to_owned());
        nobody.into_iter().chain(nameless).chain(short("hub_port", self.connections, self.timeout)).collect()
    }
}

impl ClientConfig {
    /// Names the settings with which no hub could be called.
    pub fn problems(&self) -> Vec<String> {
        short("hub_client", self.connections, self.timeout).collect()
    }
}

fn short(section: &'static str, connections: usize, timeout: Duration) -> impl Iterator<Item = String> {
    let few = (connections == 0).then(|| format!("{section}.connections is 0: it must be at least 1"));
    let short = timeout.is_zero().then(|| format!("{section}.timeout is 0: no time at all"));
    few.into_iter().chain(short)
}

fn connections() -> usize {
    64
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}
