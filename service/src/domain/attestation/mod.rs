//! Attestation by X.509 (rules B1 to B3): who a certificate chain proves its holder to be.

mod anchors;
mod enrolled;
mod name;
mod presented;
mod signature;

use std::fmt;
use std::sync::Arc;

use firsthop_protocol::{ErrorCode, RegistrationId, Timestamp};
use rustls_pki_types::CertificateDer;

use super::book::Book;
use super::enrollment::Enrollment;
use super::refusal::Refusal;

pub(super) use anchors::AnchorIndex;
pub use enrolled::{CertificateFault, EnrolledCertificate};

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

/// Judges a presented chain, leaf first, at the time `now`.
pub fn judge(chain: &[CertificateDer<'_>], book: &Book, now: Timestamp) -> Result<Proof, Refusal> {
    let _ = (chain, book, now);
    Err(Refusal::new(ErrorCode::NotEnrolled, "no enrollment accepts these credentials"))
}
