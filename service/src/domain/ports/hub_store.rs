//! Where a hub keeps its devices.

use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId, Timestamp};

use super::{StoreError, StoreFuture};
use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity, QueuedMessage, Subscription};
use crate::domain::twin::Twin;

/// Why a change of a device on its hub was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubWriteError {
    /// The device is not on this hub, is fenced or held, or was never here.
    #[error("the device is not active on this hub")]
    NotActive,
    /// It changed meanwhile: read it again and decide again. Of the hub port: the operation is over here, so what comes late of it is not
    /// done.
    #[error("the record changed meanwhile")]
    Conflict,
    /// Another operation has the device.
    #[error("operation {0} has this device")]
    Busy(OperationId),
    /// The hub has another registration's device under this device id.
    #[error("the hub has this device id already, of registration {0}")]
    Taken(RegistrationId),
    /// The command queue has no room.
    #[error("the command queue is full")]
    QueueFull,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One change of a device on a hub.
#[derive(Debug, Clone)]
pub enum HubWrite {
    // Changes that need an active device. They are refused with `NotActive` once the device is fenced, in the order of the commits.
    /// The whole twin, if it is still at that version, and the record at that revision: after a reset the twin's versions begin anew.
    Twin {
        twin: Twin,
        expected: u64,
        revision: u64,
    },
    Subscriptions(Vec<Subscription>),
    /// Appends to the command queue within the device's limits; the outcome has the message's number.
    Enqueue(QueuedMessage),
    /// The messages with these numbers were sent to the device once more.
    Delivered(Vec<u64>),
    /// The messages with these numbers leave the queue: acknowledged, or expired.
    Dequeue(Vec<u64>),
    /// Appends to the event storage; the oldest make room.
    Event(Event),

    // The hub port. Each is idempotent: repeated with the same operation it does nothing more. They are for the registration's device,
    // whatever the hub calls it.
    /// The device with this state, held by the operation, whatever an earlier operation left.
    Provision {
        operation: OperationId,
        identity: Identity,
        state: Box<DeviceState>,
        at: Timestamp,
    },
    /// Only who the device is and what it may do.
    Identity {
        operation: OperationId,
        identity: Identity,
    },
    Fence {
        operation: OperationId,
        registration: RegistrationId,
    },
    /// Ends a hold or a fence of this operation.
    Release {
        operation: OperationId,
        registration: RegistrationId,
    },
    /// The device leaves; a trace stays, so that it can be told where it went. One that the operation neither holds nor fences stays as it
    /// is: it came back since.
    Remove {
        operation: OperationId,
        registration: RegistrationId,
        to: Option<String>,
        at: Timestamp,
    },
}

/// What a hub keeps of its devices. A change that was answered `Ok` survives a crash and a power cut.
pub trait HubStore: Send + Sync + 'static {
    fn hub_device(&self, hub: &HubName, device: &DeviceId) -> Result<Option<HubDevice>, StoreError>;

    /// The device of that registration on the hub, whatever it is called there.
    fn hub_device_of(&self, hub: &HubName, registration: &RegistrationId) -> Result<Option<HubDevice>, StoreError>;

    /// The hub that has the device active, among those of this store.
    fn hub_of(&self, device: &DeviceId) -> Result<Option<HubName>, StoreError>;

    fn twin(&self, hub: &HubName, device: &DeviceId) -> Result<Option<Twin>, StoreError>;

    /// Twin, queue and events together, as of one moment.
    fn device_state(&self, hub: &HubName, device: &DeviceId) -> Result<Option<DeviceState>, StoreError>;

    /// Waiting messages by number, from the one after `after` on.
    fn queue(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, QueuedMessage)>, StoreError>;

    /// Stored events by number, the oldest first, from the one after `after` on.
    fn events(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError>;

    /// How many devices that hub has, held and fenced ones included. Costs the same however many they are.
    fn hub_device_count(&self, hub: &HubName) -> Result<u64, StoreError>;

    /// Devices on that hub, in a stored order, from the one after `after` on; each with a position to go on from.
    fn hub_devices(&self, hub: &HubName, after: Option<u64>, limit: usize)
    -> Result<Vec<(u64, HubDevice)>, StoreError>;

    /// Commits durably. The outcome is the number that the change was given: of the queued message or event; the record's revision
    /// otherwise.
    fn write(&self, hub: &HubName, device: &DeviceId, write: HubWrite) -> StoreFuture<'_, u64, HubWriteError>;
}
