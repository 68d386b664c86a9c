//! Use cases. Each owns the order of its effects: judge, spend quota, load, decide, commit, answer.

mod lookup;
mod operations;
mod quotas;
mod register;
mod registry_entry;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use firsthop_protocol::{ETag, OperationId, Timestamp};

use rustls_pki_types::CertificateDer;

use crate::domain::attestation::{self, Proof};
use crate::domain::book::Book;
use crate::domain::device::DeviceModel;
use crate::domain::hub::Hubs;
use crate::domain::ports::{Clock, Store};
use crate::domain::refusal::Refusal;
use crate::domain::registration::{Registration, bound_elsewhere};
use operations::Operations;
pub use quotas::Config as QuotaConfig;
use quotas::Quotas;

/// The service's knowledge and the ports it works through.
pub struct Provisioner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entries: ArcSwap<Entries>,
    operations: Operations,
    service_quotas: Quotas,
    draining: AtomicBool,
}

/// What operators declare. Replaced as a whole, so that no request sees half a change.
#[derive(Debug, Default)]
pub struct Declared {
    pub book: Book,
    pub hubs: Hubs,
    pub models: Vec<Arc<DeviceModel>>,
}

struct Entries {
    declared: Declared,
    quotas: quotas::PerEnrollment,
}

/// A registration as answered to its device.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    pub registration: Registration,
    pub etag: ETag,
    /// `host:port`; `None` where the device is on no hub.
    pub assigned_hub: Option<String>,
    pub operation: OperationId,
    /// Whether anything was written.
    pub changed: bool,
}

impl Provisioner {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, declared: Declared, quotas: QuotaConfig) -> Self {
        let entries = Entries { quotas: quotas::PerEnrollment::of(&declared.book), declared };
        Self {
            store,
            clock,
            entries: ArcSwap::from_pointee(entries),
            operations: Operations::default(),
            service_quotas: Quotas::new(quotas.rates()),
            draining: AtomicBool::new(false),
        }
    }

    /// Judges a certificate chain against the enrollments as they are now.
    pub fn attest(&self, chain: &[CertificateDer<'_>]) -> Attested {
        let entries = self.entries.load();
        let book = &entries.declared.book;
        let verdict = attestation::judge(chain, book, self.clock.now()).and_then(|proof| {
            // Without the record nobody can say whose id it is.
            let stored = self.store.registration(&proof.id).map_err(register::unavailable)?;
            match stored.and_then(|stored| bound_elsewhere(&stored.registration, &proof)) {
                Some(refusal) => Err(refusal),
                None => Ok(proof),
            }
        });
        Attested { generation: book.generation(), verdict }
    }

    /// Whether the proven device is registered under its enrollment. Until then its id may yet become another's.
    pub fn is_registered(&self, proof: &Proof) -> bool {
        let stored = self.store.registration(&proof.id).ok().flatten();
        stored.is_some_and(|stored| bound_elsewhere(&stored.registration, proof).is_none())
    }

    /// Whether a verdict may still be relied on: the enrollments are the same and, for a proof, every certificate is within its dates.
    pub fn still_holds(&self, attested: &Attested) -> bool {
        let now = self.clock.now();
        attested.generation == self.entries.load().declared.book.generation()
            && attested.verdict.as_ref().map_or(true, |proof| proof.valid_from <= now && now < proof.valid_until)
    }

    /// From here on registrations are refused with 503, so that the process can end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
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
