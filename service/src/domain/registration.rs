//! Registrations and the decision that a request leads to (rules B5, B8, C5).
//!
//! ```text
//! (none) --assign--> Assigned        (none) --no hub--> Failed --assign--> Assigned
//! Assigned --keep--> Assigned        Assigned --its hub is no longer linked--> Assigned elsewhere
//! ```

use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, RequestId, Timestamp};

use super::allocation::{self, AllocationError};
use super::attestation::{Proof, Thumbprint};
use super::hub::Hubs;
use super::refusal::Refusal;

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

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing changes: answer with what is stored.
    Keep(Registered),
    /// Store this, then answer with it.
    Write(Registration),
    /// Store the failure, if it is a new one, then refuse.
    Fail { registration: Option<Registration>, refusal: Refusal },
}

/// The operation a request stands for.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: OperationId,
    pub rid: Option<RequestId>,
    pub now: Timestamp,
}

/// Decides. An id belongs to the group that it first registered under: only the operator's own word, an individual enrollment, takes it
/// out of there. Otherwise the owner of one enrolled authority could take over the devices of another by naming them.
pub fn decide(stored: Option<&Registered>, proof: &Proof, hubs: &Hubs, operation: &Operation) -> Step {
    let record = stored;
    let stored = stored.map(|stored| &stored.registration);
    let enrollment = &proof.enrollment;
    if let Some(Registration { enrollment: EnrollmentName::Group(bound), .. }) = stored
        && matches!(&enrollment.name, EnrollmentName::Group(group) if group != bound)
    {
        let refusal = Refusal::new(
            ErrorCode::BoundElsewhere,
            "this registration id was registered under another enrollment group",
        )
        .detail(format!("bound to group:{bound}; delete the registration to let {} have it", enrollment.name))
        .by(&enrollment.name);
        return Step::Fail { registration: None, refusal };
    }
    let device_id = enrollment.device_id.clone().unwrap_or_else(|| DeviceId::from(&proof.id));
    let write = |state| Registration {
        id: proof.id.clone(),
        device_id: device_id.clone(),
        enrollment: enrollment.name.clone(),
        state,
        thumbprint: proof.thumbprint,
        operation: operation.id,
        rid: operation.rid.clone(),
        created: stored.map_or(operation.now, |stored| stored.created),
        updated: operation.now,
    };
    if let Some(record) = record
        && let State::Assigned { hub, .. } = &record.registration.state
        && hubs.named(hub).is_some()
    {
        let stored = &record.registration;
        let same = stored.enrollment == enrollment.name
            && stored.thumbprint == proof.thumbprint
            && stored.device_id == device_id;
        return if same { Step::Keep(record.clone()) } else { Step::Write(write(stored.state.clone())) };
    }
    match allocation::choose(enrollment.allocation, &proof.id, &enrollment.hubs, hubs) {
        Ok(hub) => {
            Step::Write(write(State::Assigned { hub: hub.name.clone(), substatus: Substatus::InitialAssignment }))
        }
        Err(error) => {
            let refusal = no_hub(&error).by(&enrollment.name);
            let failed = State::Failed { code: refusal.code, message: refusal.message.clone() };
            // A failure that is stored already, or that must not hide an assignment, is not written.
            let registration = stored
                .is_none_or(|stored| matches!(&stored.state, State::Failed { .. }) && stored.state != failed)
                .then(|| write(failed));
            Step::Fail { registration, refusal }
        }
    }
}

fn no_hub(error: &AllocationError) -> Refusal {
    Refusal::new(ErrorCode::NoHub, "no hub can take this device now")
        .detail(error.to_string())
        .retry_after(NO_HUB_RETRY)
}

/// Seconds after which a device that no hub can take should ask again.
const NO_HUB_RETRY: u32 = 30;
