//! Finds the enrolled CA certificates that may have issued a certificate, by name and key id. The cost does not grow with the number of
//! groups, also when many of them gave their CAs the same name.

use std::collections::HashMap;
use std::sync::Arc;

use super::enrolled::{Anchor, EnrolledCertificate};
use super::fault::Fault;
use super::verdict;
use crate::domain::enrollment::Enrollment;

/// Enrolled CA certificates by subject. Below one subject they are sorted by key id, those without one first.
pub(in crate::domain) struct AnchorIndex<V = Arc<Enrollment>> {
    by_subject: HashMap<Box<[u8]>, Vec<Entry<V>>>,
}

/// Who vouches for devices with its CA certificates: an enrollment, or what a hub was told of one.
pub(in crate::domain) trait Voucher: Clone {
    /// Its certificates, by their place.
    fn certificate(&self, at: usize) -> Option<&EnrolledCertificate>;

    /// Whether both are the same one.
    fn is(&self, other: &Self) -> bool;

    fn refuse_disabled(&self) -> Result<(), Box<Fault>>;

    /// Names who decided.
    fn sign(&self, fault: Box<Fault>) -> Box<Fault>;
}

impl Voucher for Arc<Enrollment> {
    fn certificate(&self, at: usize) -> Option<&EnrolledCertificate> {
        self.certificates.iter().nth(at)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }

    fn refuse_disabled(&self) -> Result<(), Box<Fault>> {
        verdict::refuse_disabled(self)
    }

    fn sign(&self, fault: Box<Fault>) -> Box<Fault> {
        fault.by(&self.name)
    }
}

#[derive(Clone)]
struct Entry<V> {
    voucher: V,
    /// Which of its certificates.
    at: usize,
}

impl<V: Voucher> Entry<V> {
    fn certificate(&self) -> Option<&EnrolledCertificate> {
        self.voucher.certificate(self.at)
    }

    fn candidate(&self) -> Option<Candidate<'_, V>> {
        let certificate = self.certificate()?;
        Some(Candidate { voucher: &self.voucher, certificate, anchor: certificate.anchor()? })
    }

    fn key_id(&self) -> Option<&[u8]> {
        self.certificate()?.anchor()?.key_id.as_deref()
    }
}

/// An enrolled CA certificate that may be the issuer of another.
pub(super) struct Candidate<'b, V> {
    pub(super) voucher: &'b V,
    pub(super) certificate: &'b EnrolledCertificate,
    pub(super) anchor: &'b Anchor,
}

// Derived, they would ask the same of `V`.
impl<V> Clone for Candidate<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Candidate<'_, V> {}

impl<V> Default for AnchorIndex<V> {
    fn default() -> Self {
        Self { by_subject: HashMap::new() }
    }
}

impl<V: Voucher> AnchorIndex<V> {
    /// Adds the CA certificates of a group. Call [`Self::seal`] after the last.
    pub(in crate::domain) fn add(&mut self, voucher: &V) {
        for at in 0.. {
            let Some(certificate) = voucher.certificate(at) else { break };
            let Some(anchor) = certificate.anchor() else { continue };
            let entry = Entry { voucher: voucher.clone(), at };
            match self.by_subject.get_mut(anchor.trust.subject.as_ref()) {
                Some(entries) => entries.push(entry),
                None => {
                    self.by_subject.insert(anchor.trust.subject.as_ref().into(), vec![entry]);
                }
            }
        }
    }

    pub(in crate::domain) fn seal(&mut self) {
        for entries in self.by_subject.values_mut() {
            entries.sort_by(|a, b| a.key_id().cmp(&b.key_id()));
            entries.shrink_to_fit();
        }
    }

    /// The certificates that may have issued one that names this issuer: those whose key id is the named one, then those that have none;
    /// all of the name when none is named.
    pub(super) fn candidates<'b>(
        &'b self,
        issuer: &[u8],
        key_id: Option<&[u8]>,
    ) -> impl Iterator<Item = Candidate<'b, V>> {
        let entries = self.by_subject.get(issuer).map_or(&[][..], Vec::as_slice);
        let nameless = entries.partition_point(|entry| entry.key_id().is_none());
        let (first, second) = match key_id {
            Some(_) => {
                let from = entries.partition_point(|entry| entry.key_id() < key_id);
                let to = entries.partition_point(|entry| entry.key_id() <= key_id);
                (from..to, 0..nameless)
            }
            None => (0..entries.len(), 0..0),
        };
        first.chain(second).filter_map(|at| entries.get(at)).filter_map(Entry::candidate)
    }

    /// The certificates of that name and key.
    pub(super) fn with_key<'b>(&'b self, subject: &[u8], key: &[u8]) -> impl Iterator<Item = Candidate<'b, V>> {
        let entries = self.by_subject.get(subject).map_or(&[][..], Vec::as_slice);
        entries
            .iter()
            .filter_map(Entry::candidate)
            .filter(move |it| it.anchor.trust.subject_public_key_info.as_ref() == key)
    }

    /// How many enrolled certificates have this subject.
    pub(super) fn named(&self, subject: &[u8]) -> usize {
        self.by_subject.get(subject).map_or(0, Vec::len)
    }
}
