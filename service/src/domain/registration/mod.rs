//! Registrations and the decision that a request leads to (rules B5, B8, C1 to C5).
//!
//! ```text
//! (none) --assign--> Assigned        (none) --no hub--> Failed --assign--> Assigned
//! Assigned --keep, move, reset--> Assigned
//! ```

mod decision;

pub use decision::{Closing, Situation, Step, Write, decide, failed};
use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, RequestId, Timestamp};

use super::attestation::{Proof, Thumbprint};
use super::refusal::Refusal;
use serde_json::Value;

/// A device's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub id: RegistrationId,
    pub device_id: DeviceId,
    pub enrollment: EnrollmentName,
    pub state: State,
    /// Of the certificate that the device last registered with.
    pub thumbprint: Thumbprint,
    /// The operation that last changed the registration.
    pub operation: OperationId,
    /// The client's name for that operation.
    pub rid: Option<RequestId>,
    /// Return data of the allocation webhook, for the device.
    pub payload: Option<Value>,
    /// A digest of what the hub was told of the device; 0: nothing yet. When it differs from [`Enrollment::digest`] the hub is told anew.
    ///
    /// [`Enrollment::digest`]: super::enrollment::Enrollment::digest
    pub told: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Assigned { hub: HubName, substatus: Substatus },
    Failed { code: ErrorCode, message: String },
}

/// A registration as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub registration: Registration,
    pub etag: ETag,
}

/// The operation a request stands for.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: OperationId,
    pub rid: Option<RequestId>,
    /// It was done before: its `rid` named it within the last ten minutes. Nothing of it is done twice.
    pub repeated: bool,
    pub now: Timestamp,
}

/// Why a proven device may have nothing to do with a stored registration of its id: it was made under another enrollment. Otherwise the
/// owner of one enrolled authority could take over the devices of another by naming them. The operator's own word, an individual
/// enrollment, takes an id out of a group; where that entry is gone again, a group has the device back that shows the same certificate.
pub fn bound_elsewhere(stored: &Registration, proof: &Proof) -> Option<Refusal> {
    let enrollment = &proof.enrollment.name;
    let theirs = match (&stored.enrollment, enrollment) {
        (EnrollmentName::Group(bound), EnrollmentName::Group(group)) => bound != group,
        (EnrollmentName::Individual(_), EnrollmentName::Group(_)) => stored.thumbprint != proof.thumbprint,
        (_, EnrollmentName::Individual(_)) => false,
    };
    theirs.then(|| {
        Refusal::new(ErrorCode::BoundElsewhere, "this registration id was registered under another enrollment")
            .detail(format!(
                "bound to {}; an individual enrollment for this id would let {enrollment}'s device have it",
                stored.enrollment
            ))
            .by(enrollment)
    })
}

#[cfg(test)]
mod tests;
