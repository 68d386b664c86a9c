//! From the device's certificate upward to the nearest enrolled CA (rules B1, B3).
//!
//! ```text
//! device's certificate --issuer enrolled?--> yes, and it signed: that group decides, whatever lies above
//!          | no                              no such key: next candidate
//!          v
//! presented certificate of that name --issuer enrolled?--> ...
//! ```
//! Which group decides is found by name and key id, without a signature. The one validation of the path, by webpki, then proves the
//! choice; only when it fails is it asked, signature by signature, whether the chosen CA is the issuer at all.

use std::cell::Cell;
use std::slice;
use std::time::Duration;

use firsthop_protocol::{RegistrationId, Timestamp};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;

use super::anchors::{AnchorIndex, Candidate, Voucher};
use super::chain::{Chain, is_self_issued};
use super::fault::{Fault, Place};
use super::name;
use super::presented::{self, Validity};
use super::signature::{self, Signature};
use super::verdict::{Path, not_signed, unsupported_signature};

/// Most enrolled certificates of one name that are tried as the issuer of one certificate. With key ids there is only one.
pub(super) const MAX_TRIES_PER_LEVEL: usize = 4;
/// Most tries for a whole chain.
pub(super) const MAX_TRIES: usize = 12;

/// The group that accepts a chain.
pub(super) struct Found<'b, V> {
    pub(super) candidate: Candidate<'b, V>,
    /// The time in which every certificate of the path is valid.
    pub(super) validity: Validity,
    /// From the device's certificate upward.
    pub(super) path: Vec<usize>,
    /// Enrolled certificates tried.
    pub(super) tries: usize,
}

/// Finds the group that decides, and asks it.
pub(super) fn find<'b, V: Voucher>(
    chain: &Chain<'_>,
    id: &RegistrationId,
    anchors: &'b AnchorIndex<V>,
    now: Timestamp,
) -> Result<Found<'b, V>, Box<Fault>> {
    let leaf_der = chain.der(0).ok_or_else(|| chain.not_enrolled(Place::Chain))?;
    let leaf = chain.leaf()?;
    let end_entity = EndEntityCert::try_from(leaf_der)
        .map_err(|error| Fault::bad("B3", Place::Certificate(0), format!("certificate cannot be used: {error}")))?;
    // Two parsers read the certificate: one the name, the other the path. They have to see the same subject.
    if end_entity.subject() != presented::name_content(leaf.subject()) {
        return Err(Fault::bad("B2", Place::Certificate(0), "certificate's subject cannot be read without doubt"));
    }
    Walk { chain, id, anchors, now, end_entity: &end_entity, tries: Cell::new(0) }.run()
}

struct Walk<'a, 'c, 'b, V> {
    chain: &'a Chain<'c>,
    id: &'a RegistrationId,
    anchors: &'b AnchorIndex<V>,
    now: Timestamp,
    end_entity: &'a EndEntityCert<'a>,
    tries: Cell<usize>,
}

/// A presented certificate that was reached, and from which.
struct Step {
    at: usize,
    below: Option<usize>,
}

/// What trying one enrolled certificate as the issuer of a path's last certificate led to.
enum Attempt<'b, V> {
    /// It did not sign. Another may have.
    Foreign,
    /// It did, but further down a certificate was not signed by the one above it.
    Broken(Box<Fault>),
    /// It did, and so its group decides.
    Decided(Result<Found<'b, V>, Box<Fault>>),
}

/// What looking for enrolled issuers of a path's last certificate led to.
enum Level<'b, V> {
    None,
    Broken(Box<Fault>),
    Decided(Result<Found<'b, V>, Box<Fault>>),
}

impl<'b, V: Voucher> Walk<'_, '_, 'b, V> {
    fn run(&self) -> Result<Found<'b, V>, Box<Fault>> {
        let mut steps = vec![Step { at: 0, below: None }];
        let mut broken = None;
        let mut looked_up = String::new();
        let mut next = 0;
        // Every certificate is reached at most once, so this ends after as many rounds as there are certificates.
        while next < steps.len() {
            let path = path_to(&steps, next);
            match self.level(&path)? {
                Level::Decided(decision) => return decision.map_err(|fault| fault.on(&path)),
                Level::Broken(fault) => drop(broken.get_or_insert(fault.on(&path))),
                Level::None => {
                    self.note(&path, &mut looked_up);
                    self.push_issuers(&mut steps, next);
                }
            }
            next += 1;
        }
        if let Some(fault) = broken {
            return Err(fault.detail(looked_up));
        }
        let unreadable = (1..self.chain.len()).find_map(|at| Some((at, self.chain.unreadable(at)?)));
        if let Some((at, error)) = unreadable {
            let message = format!("certificate {} of those sent cannot be read: {error}", at + 1);
            return Err(Fault::bad("B3", Place::Certificate(at), message).detail(looked_up));
        }
        // The walk goes upward, so the last certificate reached is the one whose issuer is missing.
        let path = path_to(&steps, steps.len() - 1);
        let last = path.last().copied().unwrap_or_default();
        Err(self.chain.not_enrolled(Place::Issuer(last)).detail(looked_up).on(&path))
    }

    /// For the operator: which enrolled certificates might have signed the path's last certificate, and did not.
    fn note(&self, path: &[usize], looked_up: &mut String) {
        let Some(cert) = path.last().and_then(|at| self.chain.certificate(*at)) else { return };
        let issuer = presented::name_content(cert.issuer());
        let key_id = presented::authority_key_id(cert);
        let tried = self.anchors.candidates(issuer, key_id).take(MAX_TRIES_PER_LEVEL).count();
        let text = match (self.anchors.named(issuer), tried) {
            (0, _) => "no enrolled CA has that name".to_owned(),
            (named, 0) => format!(
                "of {named} enrolled CAs with that name none has the key id {}",
                hex(key_id.unwrap_or_default())
            ),
            (named, tried) => format!("of {named} enrolled CAs with that name {tried} were tried, and none signed it"),
        };
        if !looked_up.is_empty() {
            looked_up.push_str("; ");
        }
        looked_up.push_str(&format!("looked up issuer {}: {text}", name::distinguished(cert.issuer())));
    }

    /// Adds the presented certificates that may have issued the one at `below`.
    fn push_issuers(&self, steps: &mut Vec<Step>, below: usize) {
        let Some(cert) = steps.get(below).and_then(|step| self.chain.certificate(step.at)) else { return };
        if is_self_issued(cert) {
            return;
        }
        for at in 1..self.chain.len() {
            if steps.iter().any(|step| step.at == at) {
                continue;
            }
            if self.chain.certificate(at).is_some_and(|issuer| names_as_issuer(cert, issuer)) {
                steps.push(Step { at, below: Some(below) });
            }
        }
    }

    fn level(&self, path: &[usize]) -> Result<Level<'b, V>, Box<Fault>> {
        let Some(top) = path.last().and_then(|at| self.chain.certificate(*at)) else { return Ok(Level::None) };
        let issuer = presented::name_content(top.issuer());
        let named = self.anchors.candidates(issuer, presented::authority_key_id(top)).take(MAX_TRIES_PER_LEVEL);
        match self.ask(path, top, named)? {
            Level::None => {}
            level => return Ok(level),
        }
        // A key id is only a hint. Where the issuer's certificate was sent, its key shows whether the walk would pass an enrolled CA.
        let sent =
            (1..self.chain.len()).filter_map(|at| self.chain.certificate(at)).filter(|sent| names_as_issuer(top, sent));
        let passed = sent.flat_map(|sent| self.anchors.with_key(issuer, presented::key_content(sent)));
        self.ask(path, top, passed.take(MAX_TRIES_PER_LEVEL))
    }

    /// Tries the candidates in turn, until one of them turns out to be the issuer.
    fn ask(
        &self,
        path: &[usize],
        top: &X509Certificate<'_>,
        candidates: impl Iterator<Item = Candidate<'b, V>>,
    ) -> Result<Level<'b, V>, Box<Fault>> {
        let mut decided: Option<(&V, Box<Fault>)> = None;
        for candidate in candidates {
            // After a group has decided, only its own other certificate can change its mind: the same CA, renewed with the same key.
            if decided.as_ref().is_some_and(|(voucher, _)| !voucher.is(candidate.voucher)) {
                continue;
            }
            match self.attempt(path, top, candidate)? {
                Attempt::Foreign => {}
                Attempt::Broken(fault) => return Ok(Level::Broken(fault)),
                Attempt::Decided(Ok(found)) => return Ok(Level::Decided(Ok(found))),
                Attempt::Decided(Err(fault)) => drop(decided.get_or_insert((candidate.voucher, fault))),
            }
        }
        Ok(decided.map_or(Level::None, |(_, fault)| Level::Decided(Err(fault))))
    }

    fn attempt(
        &self,
        path: &[usize],
        top: &X509Certificate<'_>,
        candidate: Candidate<'b, V>,
    ) -> Result<Attempt<'b, V>, Box<Fault>> {
        self.tries.set(self.tries.get() + 1);
        if self.tries.get() > MAX_TRIES {
            let message = "the certificates sent can be put together in too many ways; send one chain, in order";
            return Err(Fault::bad("B3", Place::Chain, message)
                .detail(format!("{MAX_TRIES} enrolled CAs were tried"))
                .on(path));
        }
        // Several intermediates of one name could be ordered in many ways. They are not validated before a CA is known to be behind them.
        if path.len() > 2 && self.signed_by(top, candidate) == Signature::Foreign {
            return Ok(Attempt::Foreign);
        }
        let judged = Path { chain: self.chain, id: self.id, now: self.now, certificates: path, candidate };
        let error = match self.validate(path, candidate) {
            Ok(()) => return Ok(Attempt::Decided(self.accept(&judged))),
            Err(error) => error,
        };
        if path.len() == 1 && matches!(error, webpki::Error::InvalidSignatureForPublicKey) {
            return Ok(Attempt::Foreign);
        }
        // The fault may lie in the path or in the choice of the issuer.
        match self.signed_by(top, candidate) {
            Signature::Genuine => {}
            Signature::Foreign => return Ok(Attempt::Foreign),
            Signature::Unsupported => {
                return Ok(Attempt::Decided(Err(unsupported_signature(self.chain, path.last().copied()))));
            }
        }
        for link in path.windows(2) {
            let [lower, upper] = *link else { continue };
            let (Some(cert), Some(issuer)) = (self.chain.certificate(lower), self.chain.certificate(upper)) else {
                continue;
            };
            match signature::check(cert, issuer) {
                Signature::Genuine => {}
                Signature::Foreign => return Ok(Attempt::Broken(not_signed(self.chain, lower, upper))),
                Signature::Unsupported => {
                    return Ok(Attempt::Decided(Err(unsupported_signature(self.chain, Some(lower)))));
                }
            }
        }
        Ok(Attempt::Decided(Err(judged.refuse(&error))))
    }

    fn accept(&self, judged: &Path<'_, '_, 'b, V>) -> Result<Found<'b, V>, Box<Fault>> {
        let validity = judged.accept()?;
        Ok(Found { candidate: judged.candidate, validity, path: judged.certificates.to_vec(), tries: self.tries.get() })
    }

    fn signed_by(&self, cert: &X509Certificate<'_>, candidate: Candidate<'_, V>) -> Signature {
        candidate.certificate.read(|issuer| signature::check(cert, issuer)).unwrap_or(Signature::Foreign)
    }

    /// Signatures, dates, basic constraints, extended key usage and name constraints of the path, below the anchor.
    fn validate(&self, path: &[usize], candidate: Candidate<'_, V>) -> Result<(), webpki::Error> {
        let intermediates: Vec<CertificateDer<'_>> = path
            .iter()
            .skip(1)
            .filter_map(|at| self.chain.der(*at))
            .map(|der| CertificateDer::from(der.as_ref()))
            .collect();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(self.now.secs()));
        let anchors = slice::from_ref(&candidate.anchor.trust);
        self.end_entity
            .verify_for_usage(
                signature::ALGORITHMS.all,
                anchors,
                &intermediates,
                now,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(drop)
    }
}

fn path_to(steps: &[Step], last: usize) -> Vec<usize> {
    let mut path: Vec<usize> = std::iter::successors(steps.get(last), |step| steps.get(step.below?))
        .map(|step| step.at)
        .take(steps.len())
        .collect();
    path.reverse();
    path
}

fn names_as_issuer(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    issuer.subject().as_raw() == cert.issuer().as_raw()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}
