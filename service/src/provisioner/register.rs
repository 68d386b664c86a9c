//! A device registers, or registers again (rules A1 to A4, B8).
//!
//! Order: own id > fields > quota > one at a time > load > rules > decide > commit > answer. Nothing is answered before it is durable;
//! a registration that changes nothing writes nothing.

use std::sync::Arc;

use firsthop_protocol::{ErrorCode, OperationId, RegisterRequest, Timestamp};

use super::operations::{Lead, Outcome, Part, REMEMBERED};
use super::quotas::Kind;
use super::{Granted, Provisioner, registry_entry};
use crate::domain::attestation::Proof;
use crate::domain::ports::{CommitError, Decision, StoreError};
use crate::domain::refusal::Refusal;
use crate::domain::registration::{Operation, Registered, Registration, State, Step, decide};

/// How often a decision is made anew because another one came first.
const ATTEMPTS: usize = 4;
/// Seconds after which a device should ask again when the store or the service cannot serve it now.
const RETRY: u32 = 5;

impl Provisioner {
    /// Registers the proven device. `operation` names the operation should it be a new one.
    pub async fn register(&self, proof: &Proof, request: Arc<RegisterRequest>, operation: OperationId) -> Outcome {
        let device = proof.principal();
        if self.is_draining() {
            return Err(Refusal::new(ErrorCode::Draining, "the service is stopping").retry_after(RETRY));
        }
        own_id(proof, request.registration_id.as_ref())?;
        registry_entry::check_fields(&request)?;
        let entries = self.entries.load_full();
        entries.quotas.spend(&self.service_quotas, &proof.enrollment.name, Kind::Registration, self.clock.uptime())?;
        loop {
            match self.operations.begin(&device, &request).map_err(|refusal| refusal.by(&proof.enrollment.name))? {
                Part::Lead(lead) => return self.lead(lead, proof, &request, operation, &entries).await,
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

    async fn lead(
        &self,
        lead: Lead<'_>,
        proof: &Proof,
        request: &RegisterRequest,
        operation: OperationId,
        entries: &super::Entries,
    ) -> Outcome {
        let outcome = self.decide_and_commit(proof, request, operation, entries).await;
        self.remember(proof, request, &outcome);
        lead.finish(&outcome);
        outcome
    }

    fn remember(&self, proof: &Proof, request: &RegisterRequest, outcome: &Outcome) {
        if let (Ok(granted), Some(rid)) = (outcome, &request.rid) {
            self.operations.remember(&proof.principal(), rid, granted.operation, self.clock.now());
        }
    }

    async fn decide_and_commit(
        &self,
        proof: &Proof,
        request: &RegisterRequest,
        operation: OperationId,
        entries: &super::Entries,
    ) -> Outcome {
        let declared = &entries.declared;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let stored = self.store.registration(&proof.id).map_err(unavailable)?;
            let operation = self.operation(proof, request, stored.as_ref(), operation, now);
            let device = if registry_entry::concerned(request, &proof.enrollment) {
                let before = if stored.is_some() { self.store.device(&proof.id).map_err(unavailable)? } else { None };
                registry_entry::entry(before, request, &proof.enrollment, &declared.models, now)?
            } else if stored.is_none() {
                // Every registered device has an entry (rule A4), also one that said nothing of itself.
                registry_entry::entry(None, request, &proof.enrollment, &declared.models, now)?
            } else {
                None
            };
            let expected = stored.as_ref().map(|stored| stored.etag);
            let (registration, refusal) = match decide(stored.as_ref(), proof, &declared.hubs, &operation) {
                Step::Keep(Registered { registration, etag }) if device.is_none() => {
                    return Ok(granted(registration, etag, operation.id, false, entries));
                }
                Step::Keep(Registered { registration, .. }) => {
                    (Registration { operation: operation.id, rid: operation.rid, updated: now, ..registration }, None)
                }
                Step::Write(registration) => (registration, None),
                Step::Fail { registration: Some(registration), refusal } => (registration, Some(refusal)),
                Step::Fail { registration: None, refusal } => return Err(refusal),
            };
            let decision = Decision { registration: registration.clone(), expected, device };
            match self.store.commit(decision).await {
                Ok(etag) => {
                    return refusal.map_or_else(|| Ok(granted(registration, etag, operation.id, true, entries)), Err);
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Store(error)) => return Err(refusal.unwrap_or_else(|| unavailable(error))),
            }
        }
        Err(Refusal::new(ErrorCode::RegistrationUnderWay, "the registration keeps changing; ask again")
            .retry_after(RETRY))
    }

    fn operation(
        &self,
        proof: &Proof,
        request: &RegisterRequest,
        stored: Option<&Registered>,
        fresh: OperationId,
        now: Timestamp,
    ) -> Operation {
        let rid = request.rid.clone();
        let same = rid.as_ref().and_then(|rid| {
            self.operations.recall(&proof.principal(), rid, now).or_else(|| {
                // After a restart the record itself remembers its last operation.
                let stored = &stored?.registration;
                (stored.rid.as_ref() == Some(rid) && now.since(stored.updated) < REMEMBERED).then_some(stored.operation)
            })
        });
        Operation { id: same.unwrap_or(fresh), rid, now }
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

pub(super) fn granted(
    registration: Registration,
    etag: firsthop_protocol::ETag,
    operation: OperationId,
    changed: bool,
    entries: &super::Entries,
) -> Granted {
    let assigned_hub = match &registration.state {
        State::Assigned { hub, .. } => entries.declared.hubs.named(hub).map(ToString::to_string),
        State::Failed { .. } => None,
    };
    Granted { registration, etag, assigned_hub, operation, changed }
}
