//! What a device has on its hub, and what moves with it: twin, command queue, stored events.

use std::collections::BTreeMap;

use firsthop_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::base64_text;
use crate::domain::hub_device as domain;
use crate::domain::twin;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    twin: Twin,
    queue: Vec<QueuedMessage>,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Twin {
    tags: Map<String, Value>,
    desired: Section,
    reported: Section,
    version: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Section {
    properties: Map<String, Value>,
    metadata: Metadata,
    version: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    updated: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    below: BTreeMap<String, Metadata>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueuedMessage {
    properties: String,
    #[serde(with = "base64_text")]
    payload: Vec<u8>,
    enqueued: Timestamp,
    expires: Timestamp,
    deliveries: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    properties: String,
    #[serde(with = "base64_text")]
    payload: Vec<u8>,
    at: Timestamp,
}

impl From<domain::DeviceState> for State {
    fn from(state: domain::DeviceState) -> Self {
        let message = |message: domain::QueuedMessage| QueuedMessage {
            properties: message.properties,
            payload: message.payload,
            enqueued: message.enqueued,
            expires: message.expires,
            deliveries: message.deliveries,
        };
        Self {
            twin: state.twin.into(),
            queue: state.queue.into_iter().map(message).collect(),
            events: state.events.into_iter().map(Event::from).collect(),
        }
    }
}

impl From<State> for domain::DeviceState {
    fn from(state: State) -> Self {
        let message = |message: QueuedMessage| domain::QueuedMessage {
            properties: message.properties,
            payload: message.payload,
            enqueued: message.enqueued,
            expires: message.expires,
            deliveries: message.deliveries,
        };
        Self {
            twin: state.twin.into(),
            queue: state.queue.into_iter().map(message).collect(),
            events: state.events.into_iter().map(domain::Event::from).collect(),
        }
    }
}

impl From<domain::Event> for Event {
    fn from(event: domain::Event) -> Self {
        Self { properties: event.properties, payload: event.payload, at: event.at }
    }
}

impl From<Event> for domain::Event {
    fn from(event: Event) -> Self {
        Self { properties: event.properties, payload: event.payload, at: event.at }
    }
}

impl From<twin::Twin> for Twin {
    fn from(twin: twin::Twin) -> Self {
        let section = |section: twin::Section| Section {
            properties: section.properties,
            metadata: section.metadata.into(),
            version: section.version,
        };
        Self {
            tags: twin.tags,
            desired: section(twin.desired),
            reported: section(twin.reported),
            version: twin.version,
        }
    }
}

impl From<Twin> for twin::Twin {
    fn from(twin: Twin) -> Self {
        let section = |section: Section| twin::Section {
            properties: section.properties,
            metadata: section.metadata.into(),
            version: section.version,
        };
        Self {
            tags: twin.tags,
            desired: section(twin.desired),
            reported: section(twin.reported),
            version: twin.version,
        }
    }
}

impl From<twin::Metadata> for Metadata {
    fn from(metadata: twin::Metadata) -> Self {
        let below = metadata.below.into_iter().map(|(key, below)| (key, below.into())).collect();
        Self { updated: metadata.updated, below }
    }
}

impl From<Metadata> for twin::Metadata {
    fn from(metadata: Metadata) -> Self {
        let below = metadata.below.into_iter().map(|(key, below)| (key, below.into())).collect();
        Self { updated: metadata.updated, below }
    }
}
