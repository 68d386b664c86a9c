//! A device on a hub: the topics of Azure IoT Hub's device protocol, as a test uses them.

use std::net::SocketAddr;

use firsthop_certs::Identity;
use serde_json::Value;

use crate::{Client, Dial, Message, Packet, Pki, Service};

pub const TWIN_ANSWERS: &str = "$iothub/twin/res/#";
pub const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
pub const METHODS: &str = "$iothub/methods/POST/#";
pub const NOTIFY: &str = "$provisioning/notify";

/// The answer to a twin request.
#[derive(Debug)]
pub struct TwinAnswer {
    pub status: u16,
    pub version: Option<u64>,
    pub body: Value,
}

/// A device's connection to its hub.
pub struct HubClient {
    pub client: Client,
    pub device: String,
    last_rid: u32,
}

/// How a device dials its hub: client id and user name as the Azure SDKs send them.
pub fn dial(service: &Service, pki: &Pki, identity: &Identity, device: &str, hub: &str) -> Dial {
    dial_at(service, pki, identity, device, hub, service.hub(hub))
}

/// The same at an address.
pub fn dial_at(
    service: &Service,
    pki: &Pki,
    identity: &Identity,
    device: &str,
    hub: &str,
    address: SocketAddr,
) -> Dial {
    Dial::new(service, pki, identity)
        .at(address)
        .client_id(device)
        .user_name(&format!("{hub}/{device}/?api-version=2021-04-12&DeviceClientType=test"))
}

impl HubClient {
    /// Connects and listens to twin answers.
    pub fn connect(service: &Service, pki: &Pki, identity: &Identity, device: &str, hub: &str) -> Self {
        Self::over(dial(service, pki, identity, device, hub).connect(), device)
    }

    /// Over a connection that stands.
    pub fn over(mut client: Client, device: &str) -> Self {
        assert_eq!(client.subscribe(&[(TWIN_ANSWERS, 1)]), [1]);
        Self { client, device: device.to_owned(), last_rid: 0 }
    }

    /// The whole twin, as the device sees it.
    pub fn twin(&mut self) -> Value {
        let answer = self.ask("$iothub/twin/GET/?", " ");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Patches the reported properties; gives their new version.
    pub fn report(&mut self, patch: &Value) -> u64 {
        let answer = self.try_report(patch);
        assert_eq!(answer.status, 204, "{answer:?}");
        answer.version.expect("a version")
    }

    pub fn try_report(&mut self, patch: &Value) -> TwinAnswer {
        self.ask("$iothub/twin/PATCH/properties/reported/?", patch.to_string())
    }

    fn ask(&mut self, topic: &str, body: impl AsRef<[u8]>) -> TwinAnswer {
        self.last_rid += 1;
        let rid = self.last_rid.to_string();
        let code = self.client.publish(&Message::new(&format!("{topic}$rid={rid}"), body));
        assert_eq!(code, 0, "{topic} is not taken");
        loop {
            let message = self.client.message();
            if let Some(answer) = TwinAnswer::parse(&message, &rid) {
                return answer;
            }
        }
    }

    /// Sends a patch without waiting for anything; `rid` names its answer.
    pub fn tell_report(&mut self, rid: &str, patch: &Value) {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}");
        self.client.tell(&Message::new(&topic, patch.to_string()));
    }

    /// Reads to the end of the connection; gives the rids of patches that were acknowledged before it.
    pub fn acknowledged_until_end(&mut self) -> Vec<String> {
        let packets = self.client.until_end();
        packets.iter().filter_map(acknowledged).collect()
    }

    pub fn telemetry(&mut self, properties: &str, payload: &str) -> u8 {
        let topic = format!("devices/{}/messages/events/{properties}", self.device);
        self.client.publish(&Message::new(&topic, payload))
    }
}

/// The rid of a patch that this packet acknowledges.
pub fn acknowledged(packet: &Packet) -> Option<String> {
    let Packet::Publish(message) = packet else { return None };
    let rest = message.topic.strip_prefix("$iothub/twin/res/204/?$rid=")?;
    Some(rest.split('&').next().unwrap_or_default().to_owned())
}

impl TwinAnswer {
    fn parse(message: &Message, wanted: &str) -> Option<Self> {
        let rest = message.topic.strip_prefix("$iothub/twin/res/")?;
        let (status, query) = rest.split_once("/?$rid=")?;
        let mut query = query.split('&');
        if query.next() != Some(wanted) {
            return None;
        }
        let version = query.find_map(|pair| pair.strip_prefix("$version=")).and_then(|text| text.parse().ok());
        let body = if message.payload.is_empty() { Value::Null } else { message.json() };
        Some(Self { status: status.parse().ok()?, version, body })
    }
}
