//! Who a device is, and how it stands with its hub.

use std::time::Duration;

use aws_lc_rs::digest;
use firsthop_protocol::{DeviceId, OperationId, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::base64_text;
use crate::domain::attestation::Thumbprint;
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device as domain;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    device_id: DeviceId,
    registration_id: RegistrationId,
    credential: Credential,
    capabilities: Capabilities,
    resources: Resources,
    topics: Topics,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Credential {
    /// SHA-256 of each.
    Certificates(Vec<Sha256>),
    Authorities(Vec<Certificate>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Sha256(#[serde(with = "base64_text")] Vec<u8>);

/// DER. Its SHA-256 is reckoned by who reads it: hubs keep certificates by it, for all devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Certificate(#[serde(with = "base64_text")] Vec<u8>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Capabilities {
    iot_edge: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resources {
    queue_messages: u32,
    queue_bytes: u64,
    queue_expiry_seconds: u64,
    event_messages: u32,
    event_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Topics {
    publish: Vec<String>,
    subscribe: Vec<String>,
}

/// A device as its hub keeps it, and whether it has a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    identity: Identity,
    standing: Standing,
    subscriptions: Vec<Subscription>,
    created: Timestamp,
    revision: u64,
    connected: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Standing {
    Active,
    Held(OperationId),
    Fenced(OperationId),
    Moved { to: Option<String>, at: Timestamp },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    filter: String,
    qos: u8,
}

impl From<domain::Identity> for Identity {
    fn from(identity: domain::Identity) -> Self {
        let resources = identity.resources;
        Self {
            device_id: identity.device_id,
            registration_id: identity.registration_id,
            credential: match identity.credential {
                domain::Credential::Certificates(prints) => {
                    Credential::Certificates(prints.into_iter().map(|print| Sha256(print.0.to_vec())).collect())
                }
                domain::Credential::Authorities(authorities) => Credential::Authorities(
                    authorities.into_iter().map(|authority| Certificate(authority.der.to_vec())).collect(),
                ),
            },
            capabilities: Capabilities { iot_edge: identity.capabilities.iot_edge },
            resources: Resources {
                queue_messages: resources.command_queue.messages,
                queue_bytes: resources.command_queue.bytes,
                queue_expiry_seconds: resources.command_queue.expiry.as_secs(),
                event_messages: resources.events.messages,
                event_bytes: resources.events.bytes,
            },
            topics: Topics { publish: identity.topics.publish, subscribe: identity.topics.subscribe },
        }
    }
}

impl TryFrom<Identity> for domain::Identity {
    type Error = String;

    fn try_from(identity: Identity) -> Result<Self, String> {
        let resources = identity.resources;
        let credential = match identity.credential {
            Credential::Certificates(prints) => {
                let prints = prints.into_iter().map(|Sha256(bytes)| <[u8; 32]>::try_from(bytes).map(Thumbprint));
                let prints = prints.collect::<Result<_, _>>();
                domain::Credential::Certificates(
                    prints
                        .map_err(|bytes| format!("identity.credential: a SHA-256 has 32 bytes, not {}", bytes.len()))?,
                )
            }
            Credential::Authorities(certificates) => {
                domain::Credential::Authorities(certificates.into_iter().map(authority).collect())
            }
        };
        Ok(Self {
            device_id: identity.device_id,
            registration_id: identity.registration_id,
            credential,
            capabilities: domain::Capabilities { iot_edge: identity.capabilities.iot_edge },
            resources: domain::Resources {
                command_queue: domain::CommandQueue {
                    messages: resources.queue_messages,
                    bytes: resources.queue_bytes,
                    expiry: Duration::from_secs(resources.queue_expiry_seconds),
                },
                events: domain::EventStorage { messages: resources.event_messages, bytes: resources.event_bytes },
            },
            topics: TopicGrants { publish: identity.topics.publish, subscribe: identity.topics.subscribe },
        })
    }
}

fn authority(Certificate(der): Certificate) -> domain::Authority {
    let mut thumbprint = Thumbprint([0; 32]);
    thumbprint.0.copy_from_slice(digest::digest(&digest::SHA256, &der).as_ref());
    domain::Authority { thumbprint, der: der.into() }
}

impl From<(domain::HubDevice, bool)> for Device {
    fn from((device, connected): (domain::HubDevice, bool)) -> Self {
        let subscription = |of: domain::Subscription| Subscription { filter: of.filter, qos: of.qos };
        Self {
            identity: device.identity.into(),
            standing: match device.standing {
                domain::Standing::Active => Standing::Active,
                domain::Standing::Held(operation) => Standing::Held(operation),
                domain::Standing::Fenced(operation) => Standing::Fenced(operation),
                domain::Standing::Moved { to, at } => Standing::Moved { to, at },
            },
            subscriptions: device.subscriptions.into_iter().map(subscription).collect(),
            created: device.created,
            revision: device.revision,
            connected,
        }
    }
}

impl TryFrom<Device> for (domain::HubDevice, bool) {
    type Error = String;

    fn try_from(device: Device) -> Result<Self, String> {
        let subscription = |of: Subscription| domain::Subscription { filter: of.filter, qos: of.qos };
        let kept = domain::HubDevice {
            identity: device.identity.try_into()?,
            standing: match device.standing {
                Standing::Active => domain::Standing::Active,
                Standing::Held(operation) => domain::Standing::Held(operation),
                Standing::Fenced(operation) => domain::Standing::Fenced(operation),
                Standing::Moved { to, at } => domain::Standing::Moved { to, at },
            },
            subscriptions: device.subscriptions.into_iter().map(subscription).collect(),
            created: device.created,
            revision: device.revision,
        };
        Ok((kept, device.connected))
    }
}
