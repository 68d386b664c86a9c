//! Finds the enrolled CA certificates that may have issued a certificate, by name and key id. The cost does not grow with the number of
//! groups, also when many of them gave their CAs the same name.

use std::collections::HashMap;
use std::sync::Arc;

use super::enrolled::{Anchor, EnrolledCertificate};
use crate::domain::enrollment::Enrollment;

/// Enrolled CA certificates by subject. Below one subject they are sorted by key id, those without one first.
#[derive(Default)]
pub(in crate::domain) struct AnchorIndex {
    by_subject: HashMap<Box<[u8]>, Vec<Entry>>,
}

#[derive(Clone)]
struct Entry {
    enrollment: Arc<Enrollment>,
    slot: Slot,
}

/// Which of an entry's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Primary,
    Secondary,
}

impl Entry {
    fn certificate(&self) -> Option<&EnrolledCertificate> {
        match self.slot {
            Slot::Primary => Some(&self.enrollment.certificates.primary),
            Slot::Secondary => self.enrollment.certificates.secondary.as_ref(),
        }
    }

    fn candidate(&self) -> Option<Candidate<'_>> {
        let certificate = self.certificate()?;
        Some(Candidate { enrollment: &self.enrollment, certificate, anchor: certificate.anchor()? })
    }

    fn key_id(&self) -> Option<&[u8]> {
        self.certificate()?.anchor()?.key_id.as_deref()
    }
}

/// An enrolled CA certificate that may be the issuer of another.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'b> {
    pub(super) enrollment: &'b Arc<Enrollment>,
    pub(super) certificate: &'b EnrolledCertificate,
    pub(super) anchor: &'b Anchor,
}

impl AnchorIndex {
    /// Adds the CA certificates of a group. Call [`Self::seal`] after the last.
    pub(in crate::domain) fn add(&mut self, enrollment: &Arc<Enrollment>) {
        let certificates = &enrollment.certificates;
        let slots = [(Slot::Primary, Some(&certificates.primary)), (Slot::Secondary, certificates.secondary.as_ref())];
        for (slot, certificate) in slots {
            let Some(anchor) = certificate.and_then(EnrolledCertificate::anchor) else { continue };
            let entry = Entry { enrollment: enrollment.clone(), slot };
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
    ) -> impl Iterator<Item = Candidate<'b>> {
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
    pub(super) fn with_key<'b>(&'b self, subject: &[u8], key: &[u8]) -> impl Iterator<Item = Candidate<'b>> {
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
