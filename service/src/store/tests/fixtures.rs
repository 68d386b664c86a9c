//! Devices on hubs, and what is done with them.

use super::*;
use crate::domain::attestation::Thumbprint;
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device::*;
use crate::domain::ports::{HubPlacement, HubStore, HubWrite, HubWriteError};
use crate::domain::twin::Twin;
use aws_lc_rs::digest::{SHA256, digest};

pub fn device_id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

pub fn operation(number: u8) -> OperationId {
    OperationId::from_bytes([number; 16])
}

pub fn at(days: u64) -> Timestamp {
    Timestamp::from_secs(1_795_000_000 + days * 24 * 3600)
}

pub fn authority(text: &str) -> Authority {
    let der: Arc<[u8]> = text.as_bytes().into();
    Authority { thumbprint: Thumbprint(digest(&SHA256, &der).as_ref().try_into().unwrap()), der }
}

/// A device of a group, with room for three messages and two events.
pub fn identity(registration: &str, device: &str) -> Identity {
    Identity {
        device_id: device_id(device),
        registration_id: id(registration),
        credential: Credential::Authorities(vec![authority("primary"), authority("secondary")]),
        capabilities: Capabilities { iot_edge: true },
        resources: Resources {
            command_queue: CommandQueue { messages: 3, bytes: 40, expiry: Duration::from_secs(60) },
            events: EventStorage { messages: 2, bytes: 30 },
        },
        topics: TopicGrants { publish: vec!["site/+".into()], subscribe: vec!["news/#".into(), "alerts".into()] },
    }
}

/// A twin that `version` tells from others.
pub fn twin(version: u64) -> Twin {
    let tags = json!({"site": version}).as_object().unwrap().clone();
    let desired = json!({"interval": {"seconds": version}, "rate": 0.1}).as_object().unwrap().clone();
    let mut twin = Twin::initial(&InitialTwin { tags, desired }, at(version));
    let below = twin.desired.metadata.clone();
    twin.desired.metadata.below.insert("interval".into(), below);
    twin.version = version;
    twin
}

pub fn empty(days: u64) -> DeviceState {
    DeviceState::initial(&InitialTwin::default(), at(days))
}

pub fn message(text: &str) -> QueuedMessage {
    let payload = text.as_bytes().to_vec();
    QueuedMessage { properties: "%24.mid=1".into(), payload, enqueued: at(1), expires: at(2), deliveries: 0 }
}

pub fn event(text: &str) -> Event {
    Event { properties: "a=b".into(), payload: text.as_bytes().to_vec(), at: at(1) }
}

pub fn full(version: u64) -> DeviceState {
    DeviceState { twin: twin(version), queue: vec![message("one"), message("two")], events: vec![event("first")] }
}

pub fn assign(hub_name: &str, name: &str, state: DeviceState) -> HubPlacement {
    HubPlacement::Assign { hub: hub(hub_name), identity: identity(name, name), state, at: at(1) }
}

pub fn carry(hub_name: &str, name: &str) -> HubPlacement {
    HubPlacement::Carry { hub: hub(hub_name), identity: identity(name, name), otherwise: empty(2), at: at(2) }
}

/// Commits the registration on that hub, whatever is there, with a placement.
pub fn place(
    store: &RedbStore,
    name: &str,
    hub_name: &str,
    placement: impl Into<Option<HubPlacement>>,
) -> Result<ETag, CommitError> {
    let expected = store.registration(&id(name))?.map(|stored| stored.etag);
    let registration = Registration { state: assigned_to(hub_name), ..registration(name, 1) };
    commit(store, Decision { hub: placement.into(), ..decision(registration, expected) })
}

pub fn write(store: &RedbStore, hub_name: &str, device: &str, write: HubWrite) -> Result<u64, HubWriteError> {
    block_on(store.write(&hub(hub_name), &device_id(device), write))
}

pub fn provision(name: &str, by: u8, state: DeviceState) -> HubWrite {
    HubWrite::Provision { operation: operation(by), identity: identity(name, name), state: state.into(), at: at(3) }
}

pub fn fence(by: u8) -> HubWrite {
    HubWrite::Fence { operation: operation(by), registration: id("dev-1") }
}

pub fn release(by: u8) -> HubWrite {
    HubWrite::Release { operation: operation(by), registration: id("dev-1") }
}

pub fn remove(by: u8) -> HubWrite {
    HubWrite::Remove {
        operation: operation(by),
        registration: id("dev-1"),
        to: Some("hub.example:8883".into()),
        at: at(4),
    }
}

/// Changes the twin as it was read just now, to that version from the expected one.
pub fn change_twin(
    store: &RedbStore,
    hub_name: &str,
    device: &str,
    version: u64,
    expected: u64,
) -> Result<u64, HubWriteError> {
    let found = store.hub_device(&hub(hub_name), &device_id(device))?;
    let revision = found.map_or(0, |device| device.revision);
    write(store, hub_name, device, HubWrite::Twin { twin: twin(version), expected, revision })
}

pub fn state(store: &RedbStore, hub_name: &str, device: &str) -> Option<DeviceState> {
    store.device_state(&hub(hub_name), &device_id(device)).unwrap()
}

pub fn standing(store: &RedbStore, hub_name: &str, device: &str) -> Option<Standing> {
    store.hub_device(&hub(hub_name), &device_id(device)).unwrap().map(|device| device.standing)
}
