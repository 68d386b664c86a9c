//! Use cases. Each owns the order of its effects: judge, spend quota, load, ask the webhook, decide, commit or move, answer.

mod allocate;
mod assign;
mod carry_out;
mod evacuation;
mod granted;
mod lookup;
mod moves;
mod operations;
pub mod operator;
mod quotas;
mod register;
mod registry_entry;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use firsthop_protocol::{HubName, Timestamp};
use rustls_pki_types::CertificateDer;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::attestation::{self, Principal, Proof};
use crate::domain::book::Book;
use crate::domain::device::DeviceModel;
use crate::domain::hub::Hubs;
use crate::domain::ports::{Allocator, Clock, Hub, Sessions, Store, StoreError};
use crate::domain::refusal::Refusal;
use crate::domain::registration::bound_elsewhere;
use evacuation::Evacuations;
pub use granted::Granted;
use moves::Moves;
use operations::Operations;
pub use quotas::Config as QuotaConfig;
use quotas::Quotas;

/// What the use cases work through.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// Every hub that keeps devices, also one that is not declared any more but can be reached.
    pub hubs: BTreeMap<HubName, Arc<dyn Hub>>,
    pub allocator: Arc<dyn Allocator>,
}

/// The service's knowledge and the ports it works through.
pub struct Provisioner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    allocator: Arc<dyn Allocator>,
    entries: ArcSwap<Entries>,
    /// As declared, and drained as operators want it now.
    hubs: ArcSwap<Hubs>,
    operations: Operations,
    moves: Arc<Moves>,
    evacuations: Evacuations,
    sessions: OnceLock<Arc<dyn Sessions>>,
    service_quotas: Quotas,
    draining: AtomicBool,
    stopping: CancellationToken,
    /// Background work ends with the provisioner; the journal has what it did not finish.
    _stops: DropGuard,
}

/// What operators declare. Replaced as a whole, so that no request sees half a change.
#[derive(Debug, Default)]
pub struct Declared {
    pub book: Book,
    pub hubs: Hubs,
    pub models: Vec<Arc<DeviceModel>>,
}

struct Entries {
    book: Book,
    models: Vec<Arc<DeviceModel>>,
    quotas: quotas::PerEnrollment,
}

impl Provisioner {
    pub fn new(ports: Ports, declared: Declared, quotas: QuotaConfig) -> Result<Self, StoreError> {
        let Declared { book, hubs, models } = declared;
        let Ports { store, clock, hubs: ports, allocator } = ports;
        let settings = store.hub_settings()?;
        let remote = settings.iter().filter(|(_, settings)| settings.remote.is_some()).map(|(hub, _)| hub.clone());
        let mut hubs = hubs.remembering(remote);
        for (hub, settings) in &settings {
            if let Some(drained) = evacuation::drained(settings) {
                hubs = hubs.drained(hub, drained);
            }
        }
        let stopping = CancellationToken::new();
        Ok(Self {
            moves: Moves::new(store.clone(), clock.clone(), ports, stopping.clone()),
            store,
            clock,
            allocator,
            entries: ArcSwap::from_pointee(Entries { quotas: quotas::PerEnrollment::of(&book), book, models }),
            hubs: ArcSwap::from_pointee(hubs),
            operations: Operations::default(),
            evacuations: Evacuations::default(),
            sessions: OnceLock::new(),
            service_quotas: Quotas::new(quotas.rates()),
            draining: AtomicBool::new(false),
            _stops: stopping.clone().drop_guard(),
            stopping,
        })
    }

    /// Goes on with what the last process did not finish: moves and evacuations. To be called before devices can register.
    pub fn resume(self: &Arc<Self>) -> Result<(), StoreError> {
        let journaled = self.moves.journaled()?;
        if !journaled.is_empty() {
            tracing::info!(moves = journaled.len(), "moves go on that were not finished");
        }
        for transfer in journaled {
            self.moves.attach(self.job_of(transfer));
        }
        for (hub, settings) in self.store.hub_settings()? {
            if let Some(per_minute) = settings.evacuation {
                self.evacuations.begin(self, &hub, per_minute);
            }
        }
        Ok(())
    }

    /// Judges a certificate chain against the enrollments as they are now.
    pub fn attest(&self, chain: &[CertificateDer<'_>]) -> Attested {
        let entries = self.entries.load();
        let verdict = attestation::judge(chain, &entries.book, self.clock.now()).and_then(|proof| {
            // Without the record nobody can say whose id it is.
            let stored = self.store.registration(&proof.id).map_err(register::unavailable)?;
            match stored.and_then(|stored| bound_elsewhere(&stored.registration, &proof)) {
                Some(refusal) => Err(refusal),
                None => Ok(proof),
            }
        });
        Attested { generation: entries.book.generation(), verdict }
    }

    /// Whether the proven device is registered under its enrollment. Until then its id may yet become another's.
    pub fn is_registered(&self, proof: &Proof) -> bool {
        let stored = self.store.registration(&proof.id).ok().flatten();
        stored.is_some_and(|stored| bound_elsewhere(&stored.registration, proof).is_none())
    }

    /// Whether a verdict may still be relied on: the enrollments are the same and, for a proof, every certificate is within its dates.
    pub fn still_holds(&self, attested: &Attested) -> bool {
        let now = self.clock.now();
        attested.generation == self.entries.load().book.generation()
            && attested.verdict.as_ref().map_or(true, |proof| proof.valid_from <= now && now < proof.valid_until)
    }

    /// What is being done for a device whose registration takes its time, as devices are told.
    pub fn step(&self, device: &Principal) -> &'static str {
        let moving = self.moves.of(&device.id).map(|running| running.stage().step.name());
        moving.or_else(|| self.operations.phase(device)).unwrap_or(operations::DECIDING)
    }

    /// From here on registrations are refused with 503, so that the process can end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Ends background work at its next step. What was not finished goes on at the next start.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.evacuations.stop().await;
        self.moves.stop().await;
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A verdict and the generation of the enrollments it was made with.
#[derive(Debug)]
pub struct Attested {
    pub generation: u64,
    pub verdict: Result<Proof, Refusal>,
}

#[cfg(test)]
mod tests;
