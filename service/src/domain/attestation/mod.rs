//! Attestation by X.509 (rules B1 to B3): who a certificate chain proves its holder to be.

mod anchors;
mod chain;
mod constraints;
mod enrolled;
mod explain;
mod fault;
mod leaf;
mod name;
mod on_hub;
mod path;
mod presented;
mod signature;
mod summary;
mod verdict;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{RegistrationId, Timestamp};
use x509_parser::certificate::X509Certificate;

use super::book::Book;
use super::enrollment::Enrollment;
use super::refusal::Refusal;

use chain::Chain;
use fault::{Fault, Place};

pub(super) use anchors::AnchorIndex;
pub use chain::{MAX_CHAIN_BYTES, MAX_CHAIN_LEN};
pub use enrolled::{CertificateFault, EnrolledCertificate};
pub use explain::{Explanation, Problem, explain};
pub use on_hub::{Authorities, AuthorityFault, Trusted, claimed_id, prove};
pub use rustls_pki_types::CertificateDer;
pub use summary::{Content, Role, Summary, in_short};

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint(pub [u8; 32]);

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who a device is: a registration id under the enrollment that vouches for it. The id alone is not enough, since two enrolled
/// authorities can both issue it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    pub id: RegistrationId,
    pub enrollment: EnrollmentName,
}

impl Proof {
    pub fn principal(&self) -> Principal {
        Principal { id: self.id.clone(), enrollment: self.enrollment.name.clone() }
    }
}

/// What a chain proved: an identity, under an enrollment, for a time.
#[derive(Debug, Clone)]
pub struct Proof {
    pub id: RegistrationId,
    pub enrollment: Arc<Enrollment>,
    /// Of the leaf.
    pub thumbprint: Thumbprint,
    /// The first moment at which every certificate of the path was valid.
    pub valid_from: Timestamp,
    /// The first moment at which one no longer is.
    pub valid_until: Timestamp,
}

/// Judges a presented chain, leaf first, at the time `now`. The device must have proven that it holds the leaf's key.
pub fn judge(chain: &[CertificateDer<'_>], book: &Book, now: Timestamp) -> Result<Proof, Refusal> {
    examine(chain, book, now).map(|accepted| accepted.proof).map_err(Refusal::from)
}

/// An accepted chain, and how.
struct Accepted<'b> {
    proof: Proof,
    /// The enrolled certificate that decided.
    certificate: &'b EnrolledCertificate,
    /// The presented certificates used, from the leaf upward.
    path: Vec<usize>,
    /// Enrolled CA certificates that were tried as the issuer.
    tries: usize,
}

/// The rules, in their order. Everything that judges a chain ends here.
fn examine<'b>(chain: &[CertificateDer<'_>], book: &'b Book, now: Timestamp) -> Result<Accepted<'b>, Box<Fault>> {
    let chain = Chain::new(chain)?;
    let leaf = chain.leaf()?;
    leaf::refuse_unknown_critical(leaf, Place::Certificate(0))?;
    let id = leaf::identity(leaf)?;
    let thumbprint = enrolled::thumbprint(leaf.as_raw());
    let (certificate, enrollment, validity, path, tries) = match book.individual(&id) {
        Some(entry) => {
            let certificate = individual(&chain, leaf, thumbprint, entry, now).map_err(|fault| fault.on(&[0]))?;
            (certificate, entry, certificate.validity(), vec![0], 0)
        }
        None => {
            let found = path::find(&chain, &id, book.anchors(), now)?;
            (found.candidate.certificate, found.candidate.voucher, found.validity, found.path, found.tries)
        }
    };
    let proof = Proof {
        id,
        enrollment: enrollment.clone(),
        thumbprint,
        valid_from: validity.from,
        valid_until: validity.until,
    };
    Ok(Accepted { proof, certificate, path, tries })
}

/// An individual enrollment: the certificate itself is enrolled. Nobody but its holder learns that there is an entry, so the comparison
/// comes first.
fn individual<'b>(
    chain: &Chain<'_>,
    leaf: &X509Certificate<'_>,
    presented: Thumbprint,
    entry: &'b Enrollment,
    now: Timestamp,
) -> Result<&'b EnrolledCertificate, Box<Fault>> {
    let enrolled =
        |certificate: &&EnrolledCertificate| verify_slices_are_equal(&certificate.thumbprint.0, &presented.0).is_ok();
    let Some(certificate) = entry.certificates.iter().find(enrolled) else {
        let detail = format!(
            "the individual enrollment decides, and {presented} is neither its primary nor its secondary certificate"
        );
        return Err(chain.not_enrolled(Place::Enrollment).detail(detail).by(&entry.name));
    };
    verdict::refuse_disabled(entry)?;
    let outside = fault::outside_validity(certificate.validity(), now, || chain.describe(0), Place::Certificate(0));
    if let Some(fault) = outside {
        return Err(fault.by(&entry.name));
    }
    leaf::usage(leaf).map_err(|fault| fault.by(&entry.name))?;
    Ok(certificate)
}

#[cfg(test)]
mod tests;
