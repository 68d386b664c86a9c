//! A device asks for its registration (rule C6). Nothing changes, and the budget is its own.

use firsthop_protocol::{ETag, ErrorCode, StatusRequest};

use super::operations::Outcome;
use super::quotas::Kind;
use super::register::{own_id, unavailable};
use super::{Granted, Provisioner};
use crate::domain::attestation::Proof;
use crate::domain::refusal::Refusal;
use crate::domain::registration::{State, bound_elsewhere};

impl Provisioner {
    /// The registration of the proven device: as stored, or `assigning` while the device is being moved.
    pub fn look_up(&self, proof: &Proof, request: &StatusRequest) -> Outcome {
        own_id(proof, request.registration_id.as_ref())?;
        let name = &proof.enrollment.name;
        self.entries.load().quotas.spend(&self.service_quotas, name, Kind::Lookup, self.clock.uptime())?;
        let stored = self.store.registration(&proof.id).map_err(unavailable)?;
        let moving = self.moves.of(&proof.id).map(|running| (running.stage(), running.transfer));
        let moving = moving.filter(|(stage, _)| !stage.is_settled()).map(|(stage, transfer)| (stage.step, transfer));
        let registration = match (&stored, &moving) {
            (Some(stored), _) => &stored.registration,
            (None, Some((_, transfer))) => &transfer.registration,
            (None, None) => {
                return Err(Refusal::new(ErrorCode::NotRegistered, "this device is not registered").by(name));
            }
        };
        if let Some(refusal) = bound_elsewhere(registration, proof) {
            return Err(refusal);
        }
        let etag = stored.as_ref().map_or(ETag::new(0), |stored| stored.etag);
        let operation = moving.as_ref().map_or(registration.operation, |(_, transfer)| transfer.id);
        let granted = Granted::new(registration.clone(), etag, operation, false, &self.hubs.load(), proof);
        if let Some((step, _)) = moving {
            return Ok(granted.moving(step));
        }
        if matches!(registration.state, State::Assigned { .. }) && granted.assigned_hub.is_none() {
            let refusal = Refusal::new(ErrorCode::NotRegistered, "the hub of this device is gone: register again");
            return Err(refusal.by(name));
        }
        Ok(granted)
    }
}
