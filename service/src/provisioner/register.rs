//! A device registers, or registers again (rules A1 to A4, B8).
//!
//! Order: own id > fields > quota > one at a time > [assign](super::assign) > answer.

use std::sync::Arc;

use firsthop_protocol::{ErrorCode, OperationId, RegisterRequest};

use super::Provisioner;
use super::assign::Assignment;
use super::operations::{Lead, Outcome, Part};
use super::quotas::Kind;
use crate::domain::attestation::Proof;
use crate::domain::ports::StoreError;
use crate::domain::refusal::Refusal;

/// Seconds after which a device should ask again when the store or the service cannot serve it now.
pub(super) const RETRY: u32 = 5;

impl Provisioner {
    /// Registers the proven device. `operation` names the operation should it be a new one.
    pub async fn register(&self, proof: &Proof, request: Arc<RegisterRequest>, operation: OperationId) -> Outcome {
        let device = proof.principal();
        if self.is_draining() {
            return Err(Refusal::new(ErrorCode::Draining, "the service is stopping").retry_after(RETRY));
        }
        own_id(proof, request.registration_id.as_ref())?;
        request.check_limits().map_err(|reason| Refusal::new(ErrorCode::InvalidField, reason))?;
        self.entries.load().quotas.spend(
            &self.service_quotas,
            &proof.enrollment.name,
            Kind::Registration,
            self.clock.uptime(),
        )?;
        loop {
            match self.operations.begin(&device, &request).map_err(|refusal| refusal.by(&proof.enrollment.name))? {
                Part::Lead(lead) => return self.lead(lead, proof, &request, operation).await,
                Part::Join(mut outcome) => {
                    let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                    if let Some(outcome) = outcome {
                        self.remember(proof, &request, &outcome);
                        return outcome;
                    }
                    // Whoever did it went away: begin anew.
                }
            }
        }
    }

    async fn lead(&self, lead: Lead<'_>, proof: &Proof, request: &RegisterRequest, operation: OperationId) -> Outcome {
        let assignment = Assignment { proof, request: Some(request), operation, excluded: None, lead: &lead };
        let outcome = self.assign(&assignment).await;
        self.remember(proof, request, &outcome);
        lead.finish(&outcome);
        outcome
    }

    fn remember(&self, proof: &Proof, request: &RegisterRequest, outcome: &Outcome) {
        if let (Ok(granted), Some(rid)) = (outcome, &request.rid) {
            self.operations.remember(&proof.principal(), rid, granted.operation, self.clock.now());
        }
    }
}

/// Rule B2: a body that says another id is refused.
pub(super) fn own_id(proof: &Proof, said: Option<&firsthop_protocol::RegistrationId>) -> Result<(), Refusal> {
    match said {
        Some(said) if *said != proof.id => {
            let message = format!("registrationId: {said} is not the id of the certificate, {}", proof.id);
            Err(Refusal::new(ErrorCode::IdentityMismatch, message).detail("rule B2").by(&proof.enrollment.name))
        }
        _ => Ok(()),
    }
}

pub(super) fn unavailable(error: StoreError) -> Refusal {
    let (code, message) = match error {
        StoreError::Damaged(_) => (ErrorCode::Internal, "the service cannot read this registration"),
        StoreError::Closed => (ErrorCode::Draining, "the service is stopping"),
        StoreError::Unavailable(_) => (ErrorCode::StoreUnavailable, "the service cannot store registrations now"),
    };
    Refusal::new(code, message).detail(error.to_string()).retry_after(RETRY)
}
