//! What errors of hubs and of the store mean for a move: tried again, or never.

use firsthop_protocol::ErrorCode;

use crate::domain::ports::{CommitError, HubError, StoreError};
use crate::domain::refusal::Refusal;

/// Why a step was not taken.
pub(super) enum Trouble {
    /// To be tried again.
    Later(String),
    /// It will not succeed.
    Never(Refusal),
}

/// What takes a device out of the way is done also where there is none.
pub(super) fn done(outcome: Result<(), HubError>) -> Result<(), Trouble> {
    match outcome {
        Ok(()) | Err(HubError::NoDevice { .. }) => Ok(()),
        Err(error) => Err(trouble(error)),
    }
}

/// What another operation has is not what this one did.
pub(super) fn undone(outcome: Result<(), HubError>) -> Result<(), Trouble> {
    if matches!(outcome, Err(HubError::Busy { .. })) { Ok(()) } else { done(outcome) }
}

pub(super) fn trouble(error: HubError) -> Trouble {
    match error {
        HubError::Refused { .. } => Trouble::Never(
            Refusal::new(ErrorCode::HubUnreachable, "a hub refused to take part in the move").detail(error.to_string()),
        ),
        HubError::Unreachable { .. }
        | HubError::Busy { .. }
        | HubError::NoDevice { .. }
        | HubError::Unavailable { .. } => Trouble::Later(error.to_string()),
    }
}

/// A device id that two registrations want on one hub.
pub(in crate::provisioner) fn taken(error: &CommitError) -> Refusal {
    Refusal::new(ErrorCode::BoundElsewhere, "this device id is in use on the hub").detail(error.to_string())
}

pub(super) fn store_trouble(error: StoreError) -> Trouble {
    Trouble::Later(error.to_string())
}

pub(super) fn journal_trouble(error: CommitError) -> Trouble {
    Trouble::Later(error.to_string())
}
