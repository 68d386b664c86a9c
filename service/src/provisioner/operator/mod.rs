//! What operators see and do: hubs, registrations, running operations, devices on their hubs. Answers are theirs, not a device's: they
//! say everything.

mod devices;
mod hubs;
mod listing;
mod log;
mod operations;
mod trigger;

use firsthop_protocol::{HubName, OperationId, RegistrationId, Timestamp};
use serde_json::Value;

use crate::domain::hub::HubKind;
use crate::domain::ports::{HubError, HubStatus, StoreError};
use crate::domain::registration::Registered;
use crate::domain::transfer::{self, Transfer};
pub(super) use log::OperationLog;
pub use trigger::{Target, TriggerReport};

/// Why an operator's wish was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// There is no such hub, registration, operation or device.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A hub: as declared, as operators set it at run time, and as it says itself.
#[derive(Debug, Clone, PartialEq)]
pub struct HubView {
    pub name: HubName,
    /// `None`: not declared any more, although devices are registered there.
    pub declared: Option<DeclaredHub>,
    /// In force: as set at run time, else as declared.
    pub drained: bool,
    pub evacuation: Option<EvacuationView>,
    /// Devices registered there.
    pub registrations: u64,
    /// The hub's own word; `None` where it is an address only.
    pub status: Option<Result<HubStatus, HubError>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredHub {
    /// `host:port`, as devices are told.
    pub address: String,
    pub kind: HubKind,
    pub weight: u16,
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Devices being moved away from a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvacuationView {
    /// Devices each minute.
    pub per_minute: u32,
    /// Since the service started.
    pub moved: u64,
    /// In the last pass: devices that their policy keeps there, or that have nowhere else to go.
    pub staying: u64,
    /// Why the last of those that were to move did not, where one did not.
    pub last_error: Option<String>,
}

/// A device's registration and its move, where one is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistrationView {
    pub registered: Option<Registered>,
    pub transfer: Option<Transfer>,
    /// `host:port` of its hub.
    pub assigned_hub: Option<String>,
}

/// An operation: running, or one of the last that are remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationView {
    pub id: OperationId,
    pub registration_id: RegistrationId,
    pub from: Option<HubName>,
    /// `None`: it ended before a hub was chosen.
    pub to: Option<HubName>,
    /// The step that a move came to; `None`: a decision that took one commit.
    pub step: Option<transfer::Step>,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// How often a step was tried in vain.
    pub retries: u32,
    /// What last went wrong.
    pub error: Option<String>,
    /// The call of the allocation webhook, where there was one.
    pub webhook: Option<Exchange>,
}

/// What an allocation webhook was asked and what it answered, cut where it is long.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    pub url: String,
    pub request: Value,
    /// Or why there is no answer that counts.
    pub answer: Result<Value, String>,
}
