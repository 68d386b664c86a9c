//! A hub in a process of its own, as on another machine.

use std::net::TcpListener;

use crate::{Pki, Service, ServiceConfig};

/// A process with one hub, and what the service is told of it. Both ports stay the same through restarts.
pub struct RemoteHub {
    pub config: ServiceConfig,
    name: String,
    device_port: u16,
    hub_port: u16,
}

/// The name in the certificate by which the service calls hubs.
const CALLER: &str = "provisioning.test";

impl RemoteHub {
    pub fn new(pki: &Pki, name: &str) -> Self {
        let (device_port, hub_port) = (free_port(), free_port());
        let config = ServiceConfig::without_entries(pki)
            .set("provisioning", "enabled", false)
            .set("hub_port", "listen", format!("\"127.0.0.1:{hub_port}\""))
            .set("hub_port", "certificate", "\"server.pem\"")
            .set("hub_port", "key", "\"server.key\"")
            .set("hub_port", "client_ca", "\"root.pem\"")
            .set("hub_port", "clients", format!("[\"{CALLER}\"]"))
            .with(&format!(
                "[[hubs]]\nname = \"{name}\"\nhost = \"localhost\"\nlisten = \"127.0.0.1:{device_port}\"\n"
            ));
        Self { config, name: name.to_owned(), device_port, hub_port }
    }

    pub fn start(&self) -> Service {
        Service::start_hubs(&self.config)
    }

    /// The same with a variable in its environment.
    pub fn start_with(&self, name: &str, value: &str) -> Service {
        Service::start_hubs(&self.config.clone().variable(name, value))
    }

    /// Where the service reaches it.
    pub fn hub_port(&self) -> u16 {
        self.hub_port
    }

    /// Declares it to a service.
    pub fn declared(&self, config: ServiceConfig, pki: &Pki) -> ServiceConfig {
        self.declared_at(config, pki, self.hub_port)
    }

    /// The same behind another port, as through a proxy.
    pub fn declared_at(&self, config: ServiceConfig, pki: &Pki, hub_port: u16) -> ServiceConfig {
        let caller = pki.root.device(CALLER).expect("a certificate of the service");
        caller.replace(config.dir(), "hub-client").expect("its files");
        let Self { name, device_port, .. } = self;
        config
            .set("hub_client", "certificate", "\"hub-client.pem\"")
            .set("hub_client", "key", "\"hub-client.key\"")
            .set("hub_client", "ca", "\"root.pem\"")
            .set("hub_client", "timeout", "\"2s\"")
            .with(&format!(
                "[[hubs]]\nname = \"{name}\"\nhost = \"localhost\"\nport = {device_port}\nremote = \"https://localhost:{hub_port}\"\n"
            ))
    }

    /// Where devices find it, as the service tells them.
    pub fn told(&self) -> String {
        format!("localhost:{}", self.device_port)
    }
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
