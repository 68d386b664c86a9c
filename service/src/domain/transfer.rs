//! The journal of a move between hubs (rule C8): what is to happen, and how far it has come. Each step is durable before the next begins.
//!
//! ```text
//! Planned --fence the old hub--> Fenced --give the new hub its copy, held--> Copied --commit the registration--> Committed
//!         --let the device in on the new hub--> Released --remove it from the old hub--> (the journal's entry is deleted)
//! ```
//! Up to `Copied` it can be undone, from `Committed` on it is finished. Undoing is a step of its own, so that a move is not resumed of which
//! half was undone: the device may have changed on its old hub again.

use firsthop_protocol::{ETag, HubName, OperationId, RegistrationId, Timestamp};

use super::hub_device::{DeviceState, Identity};
use super::registration::Registration;

/// A move, or a first assignment to a hub on another machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub id: OperationId,
    pub registration_id: RegistrationId,
    /// Where the device is; `None` for a first assignment.
    pub from: Option<HubName>,
    pub to: HubName,
    pub data: TransferData,
    /// What the new hub is told of the device.
    pub identity: Identity,
    /// The registration to be committed, and the etag at which the move was decided.
    pub registration: Registration,
    pub expected: Option<ETag>,
    pub step: Step,
    pub started: Timestamp,
}

/// What the device finds on its new hub.
#[derive(Debug, Clone, PartialEq)]
pub enum TransferData {
    /// Its current state.
    Carry,
    /// This state.
    Replace(Box<DeviceState>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The device is let in again where it was, then the copy is taken back.
    Undoing,
    Planned,
    Fenced,
    Copied,
    Committed,
    Released,
}

impl Step {
    pub const ALL: [Self; 6] =
        [Self::Undoing, Self::Planned, Self::Fenced, Self::Copied, Self::Committed, Self::Released];

    /// As told to devices and operators.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undoing => "undoing",
            Self::Planned => "planned",
            Self::Fenced => "fenced",
            Self::Copied => "copied",
            Self::Committed => "committed",
            Self::Released => "released",
        }
    }

    /// The step after this one; `None`: the move is finished.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Planned => Some(Self::Fenced),
            Self::Fenced => Some(Self::Copied),
            Self::Copied => Some(Self::Committed),
            Self::Committed => Some(Self::Released),
            Self::Undoing | Self::Released => None,
        }
    }

    /// Whether the registration still says where the device was.
    pub fn can_be_undone(self) -> bool {
        self < Self::Committed
    }
}
