//! Where registrations, the device registry and the journal of moves are kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{DeviceId, ETag, HubName, OperationId, RegistrationId, Timestamp};

use crate::domain::device::Device;
use crate::domain::hub_device::{DeviceState, Identity};
use crate::domain::registration::{Registered, Registration};
use crate::domain::transfer::Transfer;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, went away, or refused.
    #[error("the store cannot write now: {0}")]
    Unavailable(Arc<str>),
    /// A row is not what this version wrote.
    #[error("the store is damaged: {0}")]
    Damaged(Arc<str>),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Why a decision was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The record is not at the expected etag: read it again and decide again.
    #[error("the registration changed meanwhile (now at {})", current.map_or("none".to_owned(), |tag| tag.to_string()))]
    Conflict { current: Option<ETag> },
    /// What the decision does on the hub cannot be done: another operation holds or fences the device there. To be decided again later.
    #[error("operation {0} has this device")]
    Busy(OperationId),
    /// The hub has another registration's device under this device id. To be solved by an operator.
    #[error("hub {hub} has the device id {device} already, of registration {holder}")]
    Taken { hub: HubName, device: DeviceId, holder: RegistrationId },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One decision: record, indexes and registry entry change together or not at all.
#[derive(Debug, Clone)]
pub struct Decision {
    pub registration: Registration,
    /// The etag the decision was made at; `None`: the registration must not exist yet.
    pub expected: Option<ETag>,
    /// The registry entry, when it changes.
    pub device: Option<Device>,
    /// What changes with it on hubs that keep their devices in this store.
    pub hub: Option<HubPlacement>,
    /// What changes with it in the journal of moves.
    pub journal: Option<JournalWrite>,
}

/// What a decision about a registration does to the device on hubs that share the registrations' store. A device is on at most one of
/// them: it has one record, which names its hub.
#[derive(Debug, Clone, PartialEq)]
pub enum HubPlacement {
    /// The device is on this hub with this state, whatever was there before: a first assignment, or a reset.
    Assign { hub: HubName, identity: Identity, state: DeviceState, at: Timestamp },
    /// The device, with the state it has, is on this hub from now on. Where it has no record (its old hub kept no state), this initial
    /// state is used.
    Carry { hub: HubName, identity: Identity, otherwise: DeviceState, at: Timestamp },
    /// The device leaves the hubs of this store for one that keeps no state here.
    Leave { to: Option<String>, at: Timestamp },
}

/// A change of the journal.
#[derive(Debug, Clone)]
pub enum JournalWrite {
    Put(Box<Transfer>),
    Delete(RegistrationId),
}

/// The future of a commit.
pub type Committing<'a> = Pin<Box<dyn Future<Output = Result<ETag, CommitError>> + Send + 'a>>;

/// What an operator sets on a hub at run time; it outlives restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HubSettings {
    /// Overrides the declaration's `drained`.
    pub drained: Option<bool>,
    /// Devices are being moved away, so many each minute.
    pub evacuation: Option<u32>,
    /// Where a remote hub was last declared to be: its devices can still be fetched when it is no longer declared.
    pub remote: Option<String>,
}

/// The future of a change in the store.
pub type StoreFuture<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps registrations and the device registry. A commit that returned `Ok` survives a crash and a power cut.
pub trait Store: Send + Sync + 'static {
    fn registration(&self, id: &RegistrationId) -> Result<Option<Registered>, StoreError>;

    fn device(&self, id: &RegistrationId) -> Result<Option<Device>, StoreError>;

    /// Commits durably, together with whatever else waits to be committed, and returns the record's new etag.
    fn commit(&self, decision: Decision) -> Committing<'_>;

    /// The move of that device that is under way.
    fn transfer(&self, id: &RegistrationId) -> Result<Option<Transfer>, StoreError>;

    /// Moves under way, by registration id, from the one after `after` on.
    fn transfers(&self, after: Option<&RegistrationId>, limit: usize) -> Result<Vec<Transfer>, StoreError>;

    /// Writes the journal alone, durably. A device has at most one move under way: putting another one is a conflict, at the registration's
    /// current etag.
    fn journal(&self, write: JournalWrite) -> StoreFuture<'_, (), CommitError>;

    /// Registrations on that hub, by their stored order, from the one after `after` on; each with a position to go on from.
    fn on_hub(&self, hub: &HubName, after: Option<u64>, limit: usize)
    -> Result<Vec<(u64, RegistrationId)>, StoreError>;

    /// Registrations under that enrollment, as `on_hub`.
    fn under_enrollment(
        &self,
        enrollment: &EnrollmentName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError>;

    /// How many registrations each hub has, hubs that are no longer declared included.
    fn hub_counts(&self) -> Result<Vec<(HubName, u64)>, StoreError>;

    /// What operators set on hubs at run time.
    fn hub_settings(&self) -> Result<Vec<(HubName, HubSettings)>, StoreError>;

    fn set_hub_settings(&self, hub: &HubName, settings: HubSettings) -> StoreFuture<'_, (), StoreError>;
}
