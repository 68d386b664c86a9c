//! A device on its hub (rules A5, B7, B8): what the hub is given with the assignment, and what it keeps for the device from then on.
//!
//! ```text
//! (none) --provision--> Held --release--> Active --fence--> Fenced --release--> Active      (the move was undone)
//!        --provision (assigned already)--> Active                  --remove---> Moved --prune--> (none)
//! ```

use firsthop_protocol::{DeviceId, OperationId, RegistrationId, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

use super::attestation::Thumbprint;
use super::enrollment::TopicGrants;
use super::twin::Twin;

/// Whom a hub lets in as the device. The certificates themselves are kept once for all devices, by their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Of an individual enrollment: one of these certificates.
    Certificates(Vec<Thumbprint>),
    /// Of a group: the registration id as common name, in a valid chain to one of these CA certificates.
    Authorities(Vec<Authority>),
}

/// A CA certificate of an enrollment group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub thumbprint: Thumbprint,
    /// The certificate.
    pub der: Arc<[u8]>,
}

/// Device capabilities (rule B7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    pub iot_edge: bool,
}

/// What is allocated for a device with its assignment (rule A5), sized by its enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    pub command_queue: CommandQueue,
    pub events: EventStorage,
}

/// Messages to the device wait here while it is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandQueue {
    pub messages: u32,
    /// Of all waiting messages together: payloads and property bags.
    pub bytes: u64,
    /// How long a message waits when it does not say.
    pub expiry: Duration,
}

/// The newest telemetry messages of the device; none are kept when `messages` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventStorage {
    pub messages: u32,
    pub bytes: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            command_queue: CommandQueue { messages: 50, bytes: 256 * 1024, expiry: Duration::from_secs(3600) },
            events: EventStorage { messages: 0, bytes: 256 * 1024 },
        }
    }
}

/// The state that an enrollment gives a device at first, and again with a reset (rule B7).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InitialTwin {
    pub tags: Map<String, Value>,
    pub desired: Map<String, Value>,
}

/// What a hub is told of a device: who it is and what it may do. The twin is not part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub device_id: DeviceId,
    pub registration_id: RegistrationId,
    pub credential: Credential,
    pub capabilities: Capabilities,
    pub resources: Resources,
    pub topics: TopicGrants,
}

/// Whether the device may use the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Given to this hub by a move that is not committed yet: it may not connect.
    Held(OperationId),
    /// Being taken away by a move: nothing more is acknowledged to it here.
    Fenced(OperationId),
    /// It has left; `to` is the `host:port` where it lives now, when known.
    Moved {
        to: Option<String>,
        at: Timestamp,
    },
}

/// A device as a hub keeps it, without its twin, queue and events.
#[derive(Debug, Clone, PartialEq)]
pub struct HubDevice {
    pub identity: Identity,
    pub standing: Standing,
    /// Subscriptions of a client that asked for a session that lasts (clean session 0).
    pub subscriptions: Vec<Subscription>,
    pub created: Timestamp,
    /// Changes with every change of this record; guards it.
    pub revision: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub filter: String,
    /// 0 or 1.
    pub qos: u8,
}

/// What moves with a device (rule C1).
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceState {
    pub twin: Twin,
    /// In their order.
    pub queue: Vec<QueuedMessage>,
    /// In their order, the oldest first.
    pub events: Vec<Event>,
}

impl DeviceState {
    /// The state of a device that its enrollment gives it.
    pub fn initial(twin: &InitialTwin, now: Timestamp) -> Self {
        Self { twin: Twin::initial(twin, now), queue: Vec::new(), events: Vec::new() }
    }
}

/// A device-bound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Url-encoded property bag, as on the wire.
    pub properties: String,
    pub payload: Vec<u8>,
    pub enqueued: Timestamp,
    pub expires: Timestamp,
    /// How often it was sent to the device.
    pub deliveries: u32,
}

/// A telemetry message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Url-encoded property bag, as on the wire.
    pub properties: String,
    pub payload: Vec<u8>,
    pub at: Timestamp,
}

impl Standing {
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }
}
