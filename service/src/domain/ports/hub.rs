//! A hub, embedded or on another machine.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId, Timestamp};
use serde_json::Value;

use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity};
use crate::domain::twin::Twin;

/// Why a hub did not do what the service asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// It cannot be reached, or did not answer in time: what was asked may have been done or not. To be asked again.
    #[error("hub {hub} cannot be reached: {why}")]
    Unreachable { hub: HubName, why: String },
    /// Another operation has the device there. To be asked again.
    #[error("hub {hub}: operation {operation} has this device")]
    Busy { hub: HubName, operation: OperationId },
    /// The device is not there.
    #[error("hub {hub} does not have this device")]
    NoDevice { hub: HubName },
    /// It cannot store it now. To be asked again.
    #[error("hub {hub} cannot store it now: {why}")]
    Unavailable { hub: HubName, why: String },
    /// It will not: asking again gives the same answer.
    #[error("hub {hub} refused: {why}")]
    Refused { hub: HubName, why: String },
}

pub type HubFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, HubError>> + Send + 'a>>;

/// A message to a device's live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCommand {
    /// Please register again (rule C7).
    Notify(Notice),
    /// The session ends; the device lives at `moved_to` now, when that is known.
    Close { moved_to: Option<String> },
}

/// What a device is told that should register again (rule C7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub reason: String,
    pub not_before: Option<Timestamp>,
    /// The device waits a random part of so many seconds first.
    pub spread: u32,
}

/// A hub's own word on how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubStatus {
    pub devices: u64,
    pub sessions: u64,
}

/// A hub as the provisioner works with it: embedded or on another machine. Every call names its operation and is idempotent. The steps of
/// a move say whose device they mean by its registration: its name on the hub may have become another's meanwhile.
pub trait Hub: Send + Sync + 'static {
    /// Gives the hub a device with this state. It stays held until [`Hub::release`].
    fn provision(&self, operation: OperationId, identity: Identity, state: DeviceState) -> HubFuture<'_, ()>;

    /// Tells the hub who the registration's device is now and what it may do, also a new name; its state stays.
    fn identify(&self, operation: OperationId, identity: Identity) -> HubFuture<'_, ()>;

    /// From the moment this returns, nothing more is acknowledged to the device there and its session is closed.
    fn fence(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, DeviceState>;

    /// Lets the device in: the operation was committed (on the new hub) or undone (on the old one).
    fn release(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, ()>;

    /// The device that the operation fenced left for `to`; without it, the copy is taken back that the operation gave.
    fn remove(&self, operation: OperationId, registration: RegistrationId, to: Option<String>) -> HubFuture<'_, ()>;

    /// Reaches the device's session; `false`: it has none.
    fn session(&self, device: DeviceId, command: SessionCommand) -> HubFuture<'_, bool>;

    fn status(&self) -> HubFuture<'_, HubStatus>;

    // What operators do with a device on its hub.

    /// The device's record, and whether it has a session. Of a device that has left, the trace is told.
    fn device(&self, device: DeviceId) -> HubFuture<'_, (HubDevice, bool)>;

    fn twin(&self, device: DeviceId) -> HubFuture<'_, Twin>;

    /// Changes tags and desired properties; `expected` is the twin's version (`If-Match`).
    fn update_twin(&self, device: DeviceId, update: TwinUpdate, expected: Option<u64>) -> HubFuture<'_, TwinUpdated>;

    fn invoke(&self, device: DeviceId, call: MethodCall) -> HubFuture<'_, MethodOutcome>;

    /// Puts a message into the command queue; gives its number.
    fn enqueue(&self, device: DeviceId, message: DeviceBound) -> HubFuture<'_, Enqueued>;

    fn events(&self, device: DeviceId, after: Option<u64>, limit: usize) -> HubFuture<'_, Vec<(u64, Event)>>;
}

/// A back-end change of a twin.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinUpdate {
    pub tags: Option<Value>,
    pub desired: Option<Value>,
    /// Replaces what is given instead of merging it.
    pub replace: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum TwinUpdated {
    Done(Twin),
    /// The twin is at this version, not at the expected one.
    Conflict(u64),
    /// It breaks a limit or is no document; says where and why.
    Invalid(String),
}

/// A direct method.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodCall {
    pub name: String,
    pub payload: Value,
    /// How long the device may take to answer.
    pub timeout: Duration,
    /// How long it is waited for a device that is not connected.
    pub connect_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MethodOutcome {
    Answered {
        status: i32,
        payload: Value,
    },
    NotConnected,
    TimedOut,
    /// More calls are under way than one device may have.
    TooMany,
}

/// A message for a device's command queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceBound {
    /// Url-encoded property bag, as on the wire.
    pub properties: String,
    pub payload: Vec<u8>,
    /// `None`: after the time that the device's queue gives to messages which do not say.
    pub expires: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    Done(u64),
    Full,
}
