//! A gateway in the field: a service with hubs, the network between them, and a device.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firsthop_certs::Identity;
use serde_json::Value;

use crate::proxy::Proxy;
use crate::remote::free_port;
use crate::{AgentConfig, Pki, Service, ServiceConfig};

/// The device, by registration id and device id.
pub const DEVICE: &str = "dev-1";

pub struct Site {
    pub pki: Pki,
    pub service: Service,
    /// Between the device and the service.
    pub network: Proxy,
    /// Between the device and its hub, where the test wants one.
    hub_network: Option<Proxy>,
    pub identity: Identity,
}

impl Site {
    /// Two embedded hubs, `hub-a` and `hub-b`, and a group that the device is of.
    pub fn new() -> Self {
        Self::of_group("")
    }

    pub fn of_group(group: &str) -> Self {
        Self::with(|pki| ServiceConfig::with_hubs(pki, group))
    }

    pub fn with(config: impl FnOnce(&Pki) -> ServiceConfig) -> Self {
        let pki = Pki::new();
        let service = config(&pki).start();
        let network = Proxy::to(service.port());
        let identity = pki.device(DEVICE);
        Self { pki, service, network, hub_network: None, identity }
    }

    /// One hub, `hub-a`, behind a network of its own.
    pub fn with_hub_network(group: &str) -> Self {
        let port = free_port();
        let network = Proxy::to(port);
        let hub = format!(
            "[[hubs]]\nname = \"hub-a\"\nhost = \"localhost\"\nport = {}\nlisten = \"127.0.0.1:{port}\"\n",
            network.port()
        );
        let site = Self::with(|pki| {
            let config = ServiceConfig::without_entries(pki).set("admin", "socket", "\"admin.sock\"");
            config.with(&hub).group("factory", &pki.factory, group)
        });
        Self { hub_network: Some(network), ..site }
    }

    pub fn hub_network(&self) -> &Proxy {
        self.hub_network.as_ref().expect("this site has a network before its hub")
    }

    /// The configuration of the device's agent.
    pub fn agent(&self) -> AgentConfig {
        AgentConfig::new(&self.pki, &self.identity, self.network.port())
    }

    /// How often the device registered, as the service saw it.
    pub fn registrations(&self) -> usize {
        registrations(&self.service)
    }

    /// How often it looked itself up.
    pub fn look_ups(&self) -> usize {
        self.service.log.count(|line| is_of_device(line, "looked up"))
    }

    /// Waits until the device has registered so often.
    pub fn until_registered(&self, times: usize) {
        self.service.log.until(&format!("registration number {times}"), times, |line| is_of_device(line, "registered"));
    }

    /// The name of the hub that the device belongs to.
    pub fn hub(&self) -> String {
        let registration = self.service.managed(&["registration", "show", DEVICE]);
        registration["hub"].as_str().unwrap_or_else(|| panic!("no hub in {registration}")).to_owned()
    }

    /// The other one.
    pub fn other_hub(&self) -> &'static str {
        if self.hub() == "hub-a" { "hub-b" } else { "hub-a" }
    }

    /// A hub's address, as devices are told it.
    pub fn address(&self, hub: &str) -> String {
        format!("localhost:{}", self.service.hub(hub).port())
    }

    /// The reported properties, with their version.
    pub fn reported(&self) -> Value {
        let mut reported = self.service.managed(&["twin", "show", DEVICE])["properties"]["reported"].clone();
        reported.as_object_mut().expect("reported properties").remove("$metadata");
        reported
    }

    /// The telemetry that the hub has of the device, the oldest first.
    pub fn events(&self) -> Vec<String> {
        let events = self.service.managed(&["device", "events", DEVICE, "--limit", "1000"]);
        let text = |event: &Value| {
            let body = event["body"].as_str().and_then(|body| STANDARD.decode(body).ok());
            String::from_utf8(body.unwrap_or_else(|| panic!("no body in {event}"))).expect("text")
        };
        events.as_array().unwrap_or_else(|| panic!("no list: {events}")).iter().map(text).collect()
    }

    pub fn desire(&self, patch: &Value) {
        self.service.managed(&["twin", "update", DEVICE, "--desired", &patch.to_string()]);
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// How often the device registered at a service.
pub fn registrations(service: &Service) -> usize {
    service.log.count(|line| is_of_device(line, "registered"))
}

fn is_of_device(line: &Value, message: &str) -> bool {
    line["registration_id"] == DEVICE && line["message"].as_str().is_some_and(|found| found.starts_with(message))
}
