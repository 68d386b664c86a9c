//! A device asks for its registration (rule C6). Nothing changes, and the budget is its own.

use firsthop_protocol::{ErrorCode, StatusRequest};

use super::Provisioner;
use super::operations::Outcome;
use super::quotas::Kind;
use super::register::{granted, own_id, unavailable};
use crate::domain::attestation::Proof;
use crate::domain::refusal::Refusal;
use crate::domain::registration::{State, bound_elsewhere};

impl Provisioner {
    /// The stored registration of the proven device.
    pub fn look_up(&self, proof: &Proof, request: &StatusRequest) -> Outcome {
        own_id(proof, request.registration_id.as_ref())?;
        let entries = self.entries.load();
        entries.quotas.spend(&self.service_quotas, &proof.enrollment.name, Kind::Lookup, self.clock.uptime())?;
        match self.store.registration(&proof.id).map_err(unavailable)? {
            Some(stored) => {
                if let Some(refusal) = bound_elsewhere(&stored.registration, proof) {
                    return Err(refusal);
                }
                let operation = stored.registration.operation;
                let assigned = matches!(stored.registration.state, State::Assigned { .. });
                let granted = granted(stored.registration, stored.etag, operation, false, &entries);
                if assigned && granted.assigned_hub.is_none() {
                    let refusal =
                        Refusal::new(ErrorCode::NotRegistered, "the hub of this device is gone: register again");
                    return Err(refusal.by(&proof.enrollment.name));
                }
                Ok(granted)
            }
            None => {
                Err(Refusal::new(ErrorCode::NotRegistered, "this device is not registered").by(&proof.enrollment.name))
            }
        }
    }
}
