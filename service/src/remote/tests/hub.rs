//! A hub that notes what it was asked and answers as it was told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firsthop_protocol::{DeviceId, OperationId, RegistrationId, Timestamp};
use serde_json::{Map, Value, json};

use crate::domain::attestation::Thumbprint;
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device::{
    Authority, Capabilities, CommandQueue, Credential, DeviceState, Event, EventStorage, HubDevice, Identity,
    QueuedMessage, Resources, Standing, Subscription,
};
use crate::domain::ports::{
    DeviceBound, Enqueued, Hub, HubError, HubFuture, HubStatus, MethodCall, MethodOutcome, SessionCommand, TwinUpdate,
    TwinUpdated,
};
use crate::domain::twin::{Metadata, Section, Twin};

use super::{device, registration};

/// What was asked, in words of the port.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    Provision(OperationId, Identity, Box<DeviceState>),
    Identify(OperationId, Identity),
    Fence(OperationId, RegistrationId),
    Release(OperationId, RegistrationId),
    Remove(OperationId, RegistrationId, Option<String>),
    Session(DeviceId, SessionCommand),
    Twin(DeviceId, TwinUpdate, Option<u64>),
    Method(DeviceId, MethodCall),
    Message(DeviceId, DeviceBound),
    Events(DeviceId, Option<u64>, usize),
}

#[derive(Default)]
pub struct Scripted {
    pub seen: Mutex<Vec<Asked>>,
    /// Every call ends with this.
    pub fails: Option<HubError>,
    /// No call ends.
    pub hangs: bool,
    pub outcome: Option<MethodOutcome>,
    pub updated: Option<TwinUpdated>,
    pub full: bool,
}

impl Scripted {
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    fn note(&self, asked: Asked) {
        self.seen.lock().unwrap().push(asked);
    }

    fn answer<T: Send + 'static>(&self, answer: T) -> HubFuture<'_, T> {
        Box::pin(async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            self.fails.clone().map_or(Ok(answer), Err)
        })
    }
}

impl Hub for Scripted {
    fn provision(&self, operation: OperationId, identity: Identity, state: DeviceState) -> HubFuture<'_, ()> {
        self.note(Asked::Provision(operation, identity, Box::new(state)));
        self.answer(())
    }

    fn identify(&self, operation: OperationId, identity: Identity) -> HubFuture<'_, ()> {
        self.note(Asked::Identify(operation, identity));
        self.answer(())
    }

    fn fence(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, DeviceState> {
        self.note(Asked::Fence(operation, registration));
        self.answer(state())
    }

    fn release(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, ()> {
        self.note(Asked::Release(operation, registration));
        self.answer(())
    }

    fn remove(&self, operation: OperationId, registration: RegistrationId, to: Option<String>) -> HubFuture<'_, ()> {
        self.note(Asked::Remove(operation, registration, to));
        self.answer(())
    }

    fn session(&self, device: DeviceId, command: SessionCommand) -> HubFuture<'_, bool> {
        self.note(Asked::Session(device, command));
        self.answer(true)
    }

    fn status(&self) -> HubFuture<'_, HubStatus> {
        self.answer(HubStatus { devices: u64::MAX, sessions: 3 })
    }

    fn device(&self, _device: DeviceId) -> HubFuture<'_, (HubDevice, bool)> {
        self.answer((kept(Standing::Active), true))
    }

    fn twin(&self, _device: DeviceId) -> HubFuture<'_, Twin> {
        self.answer(state().twin)
    }

    fn update_twin(&self, device: DeviceId, update: TwinUpdate, expected: Option<u64>) -> HubFuture<'_, TwinUpdated> {
        self.note(Asked::Twin(device, update, expected));
        self.answer(self.updated.clone().unwrap_or(TwinUpdated::Done(state().twin)))
    }

    fn invoke(&self, device: DeviceId, call: MethodCall) -> HubFuture<'_, MethodOutcome> {
        self.note(Asked::Method(device, call));
        self.answer(self.outcome.clone().unwrap_or(MethodOutcome::NotConnected))
    }

    fn enqueue(&self, device: DeviceId, message: DeviceBound) -> HubFuture<'_, Enqueued> {
        self.note(Asked::Message(device, message));
        self.answer(if self.full { Enqueued::Full } else { Enqueued::Done(41) })
    }

    fn events(&self, device: DeviceId, after: Option<u64>, limit: usize) -> HubFuture<'_, Vec<(u64, Event)>> {
        self.note(Asked::Events(device, after, limit));
        self.answer(state().events.into_iter().zip(8..).map(|(event, number)| (number, event)).collect())
    }
}

pub fn identity(credential: Credential) -> Identity {
    Identity {
        device_id: device(),
        registration_id: registration(),
        credential,
        capabilities: Capabilities { iot_edge: true },
        resources: Resources {
            command_queue: CommandQueue { messages: 7, bytes: 1 << 40, expiry: Duration::from_secs(90) },
            events: EventStorage { messages: 3, bytes: 9 },
        },
        topics: TopicGrants { publish: vec!["a/+".into()], subscribe: vec!["b/#".into()] },
    }
}

pub fn by_thumbprint() -> Credential {
    Credential::Certificates(vec![Thumbprint([1; 32]), Thumbprint([255; 32])])
}

/// The thumbprint is the SHA-256 of these three bytes.
pub fn by_authority() -> Credential {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut thumbprint = Thumbprint([0; 32]);
    for (at, byte) in thumbprint.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    }
    Credential::Authorities(vec![Authority { thumbprint, der: (*b"abc").into() }])
}

pub fn kept(standing: Standing) -> HubDevice {
    HubDevice {
        identity: identity(by_authority()),
        standing,
        subscriptions: vec![Subscription { filter: "devices/x/#".into(), qos: 1 }],
        created: at(3),
        revision: 12,
    }
}

pub fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(1_764_000_000_000_000 + micros)
}

pub fn state() -> DeviceState {
    let object = |value: Value| value.as_object().cloned().unwrap_or_else(Map::new);
    let metadata = Metadata {
        updated: at(1),
        below: [("a".to_owned(), Metadata { updated: at(999_999), below: Default::default() })].into(),
    };
    let section = |value, version| Section { properties: object(value), metadata: metadata.clone(), version };
    DeviceState {
        twin: Twin {
            tags: object(json!({ "site": "lisbon", "deep": { "list": [1, null, "é"] } })),
            desired: section(json!({ "a": 0.1, "large": u64::MAX }), 4),
            reported: section(json!({ "a": -0.000_001_234_567_891, "b": i64::MIN }), 9),
            version: 12,
        },
        queue: vec![QueuedMessage {
            properties: "%24.mid=1&a=b%26".into(),
            payload: (0..=255).collect(),
            enqueued: at(0),
            expires: at(5_000_000),
            deliveries: 2,
        }],
        events: vec![Event { properties: String::new(), payload: Vec::new(), at: at(7) }],
    }
}
