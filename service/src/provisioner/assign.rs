//! A device gets its hub: at its registration, or when the hub that it is on is evacuated.
//!
//! Order: load > rules > webhook > decide > [carry out](super::carry_out) > answer. Nothing is answered before it is durable; what changes
//! nothing writes nothing.

use firsthop_protocol::{ErrorCode, HubName, OperationId, RegisterRequest, Timestamp};

use super::allocate::Asked;
use super::carry_out::Work;
use super::operations::{ALLOCATING, DECIDING, Lead, Outcome, REMEMBERED};
use super::register::{RETRY, unavailable};
use super::{Provisioner, registry_entry};
use crate::domain::allocation::{AllocationPolicy, Choice, Verdict};
use crate::domain::attestation::Proof;
use crate::domain::device::Device;
use crate::domain::hub::Hubs;
use crate::domain::refusal::Refusal;
use crate::domain::registration::{
    Operation, Registered, Registration, Situation, State, Step, bound_elsewhere, decide, failed,
};
use crate::domain::reprovision::ReprovisionPolicy;

/// How often a decision is made anew because another one came first.
const ATTEMPTS: usize = 6;

/// Who shall get a hub, and on whose behalf.
pub(super) struct Assignment<'a> {
    pub proof: &'a Proof,
    /// What the device asks; `None`: the operator wants it.
    pub request: Option<&'a RegisterRequest>,
    /// Names the operation should it be a new one.
    pub operation: OperationId,
    /// The hub that the device is to leave.
    pub excluded: Option<&'a HubName>,
    /// The right to do this.
    pub lead: &'a Lead<'a>,
}

/// What earlier attempts came to.
#[derive(Default)]
pub(super) struct Known {
    /// A move that was under way, and ended while we waited: what is asked was done by it.
    pub waited: Option<OperationId>,
    /// The webhook's answer; it is asked once.
    pub asked: Option<Asked>,
    /// The hub turned out not to have the device.
    pub lost: bool,
}

impl Provisioner {
    pub(super) async fn assign(&self, wish: &Assignment<'_>) -> Outcome {
        let mut known = Known::default();
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.attempt(wish, &mut known).await {
                return outcome.map_err(|refusal| refusal.by(&wish.proof.enrollment.name));
            }
        }
        Err(Refusal::new(ErrorCode::RegistrationUnderWay, "the registration keeps changing; ask again")
            .retry_after(RETRY)
            .by(&wish.proof.enrollment.name))
    }

    /// `None`: another one came first; to be decided again.
    async fn attempt(&self, wish: &Assignment<'_>, known: &mut Known) -> Option<Outcome> {
        if let Some(ended) = self.wait_for_move(wish.proof, known).await {
            return ended.map(Err);
        }
        let (now, hubs) = (self.clock.now(), self.hubs.load_full());
        let stored = match self.store.registration(&wish.proof.id) {
            Ok(stored) => stored,
            Err(error) => return Some(Err(unavailable(error))),
        };
        if let Some(refusal) = stored.as_ref().and_then(|stored| bound_elsewhere(&stored.registration, wish.proof)) {
            return Some(Err(refusal));
        }
        let operation = self.named_operation(wish, known, stored.as_ref(), &hubs, now);
        let about = match self.about(wish, stored.is_some(), now) {
            Ok(about) => about,
            Err(refusal) => return Some(Err(refusal)),
        };
        let step = self.decide(wish, known, stored.as_ref(), &operation, &hubs, &about).await;
        let work = Work {
            wish,
            operation: &operation,
            expected: stored.as_ref().map(|stored| stored.etag),
            before: stored.as_ref().and_then(|stored| hub_of(&stored.registration)),
            device: about.changed,
            exchange: known.asked.as_ref().and_then(|asked| asked.exchange.clone()),
            hubs,
        };
        self.carry_out(work, step, known).await
    }

    /// Waits for a move of the device that is under way. `Some`: decide again, or refuse.
    async fn wait_for_move(&self, proof: &Proof, known: &mut Known) -> Option<Option<Refusal>> {
        let running = self.moves.of(&proof.id).filter(|running| !running.stage().is_settled())?;
        if let Some(refusal) = bound_elsewhere(&running.transfer.registration, proof) {
            return Some(Some(refusal));
        }
        let id = running.transfer.id;
        match running.settled().await {
            Some(Ok(_)) => known.waited = Some(id),
            // Undone: it is ours to decide anew.
            Some(Err(_)) => {}
            None => return Some(Some(stopping())),
        }
        Some(None)
    }

    fn named_operation(
        &self,
        wish: &Assignment<'_>,
        known: &Known,
        stored: Option<&Registered>,
        hubs: &Hubs,
        now: Timestamp,
    ) -> Operation {
        let rid = wish.request.and_then(|request| request.rid.clone());
        let recalled = known.waited.or_else(|| {
            let rid = rid.as_ref()?;
            self.operations.recall(&wish.proof.principal(), rid, now).or_else(|| {
                // After a restart the record itself remembers its last operation.
                let stored = &stored?.registration;
                (stored.rid.as_ref() == Some(rid) && now.since(stored.updated) < REMEMBERED).then_some(stored.operation)
            })
        });
        let current = stored.and_then(|stored| hub_of(&stored.registration));
        let stands = current.as_ref().is_some_and(|hub| hubs.named(hub).is_some());
        let repeated = recalled.is_some() && stands && wish.excluded.is_none();
        // What failed is tried again under its old name. What was done is not: the hub that the device leaves knows that operation as over.
        let id = recalled.filter(|_| repeated || current.is_none()).unwrap_or(wish.operation);
        Operation { id, rid, repeated, now }
    }

    /// What the registry knows of the device, and what changes there.
    fn about(&self, wish: &Assignment<'_>, is_stored: bool, now: Timestamp) -> Result<About, Refusal> {
        let enrollment = &wish.proof.enrollment;
        let by_region = enrollment.allocation == AllocationPolicy::GeoLatency;
        let concerned = wish.request.is_some_and(|request| registry_entry::concerned(request, enrollment));
        let stored = if is_stored && (concerned || by_region) {
            self.store.device(&wish.proof.id).map_err(unavailable)?
        } else {
            None
        };
        let region = |device: &Device| device.metadata.get("region")?.as_str().map(str::to_owned);
        let before = stored.as_ref().and_then(region);
        let changed = match wish.request {
            // Every registered device has an entry (rule A4), also one that said nothing of itself.
            Some(request) if concerned || !is_stored => {
                registry_entry::entry(stored, request, enrollment, &self.entries.load().models, now)?
            }
            _ => None,
        };
        Ok(About { region: changed.as_ref().map_or(before, region), changed })
    }

    async fn decide(
        &self,
        wish: &Assignment<'_>,
        known: &mut Known,
        stored: Option<&Registered>,
        operation: &Operation,
        hubs: &Hubs,
        about: &About,
    ) -> Step {
        let (proof, request) = (wish.proof, wish.request);
        let current = stored.and_then(|stored| hub_of(&stored.registration));
        let choice = Choice {
            current: current.as_ref(),
            excluded: wish.excluded,
            latencies: request.and_then(|request| request.latencies.as_ref()),
            region: about.region.as_deref(),
            ..Choice::new(&proof.id, &proof.enrollment, hubs)
        };
        if choice.policy == AllocationPolicy::Custom && !operation.repeated && known.asked.is_none() {
            wish.lead.phase(ALLOCATING);
            let registration = stored.map(|stored| &stored.registration);
            known.asked = Some(self.ask_webhook(proof, request, registration, &choice).await);
            wish.lead.phase(DECIDING);
        }
        let webhook: Option<&Verdict> = match known.asked.as_ref().map(|asked| &asked.verdict) {
            Some(Err(refusal)) => return failed(stored, proof, operation, refusal.clone()),
            Some(Ok(verdict)) => Some(verdict),
            None => None,
        };
        decide(&Situation {
            stored,
            proof,
            hubs,
            policy: ReprovisionPolicy::in_force(
                proof.enrollment.reprovision,
                request.and_then(|request| request.api_version),
            ),
            choice: Choice { named: webhook.map(|verdict| &verdict.hub), ..choice },
            lost: known.lost,
            webhook,
            operation,
        })
    }
}

struct About {
    region: Option<String>,
    /// The entry as it is to be stored.
    changed: Option<Device>,
}

pub(super) fn hub_of(registration: &Registration) -> Option<HubName> {
    match &registration.state {
        State::Assigned { hub, .. } => Some(hub.clone()),
        State::Failed { .. } => None,
    }
}

pub(super) fn stopping() -> Refusal {
    Refusal::new(ErrorCode::Draining, "the service is stopping").retry_after(RETRY)
}
