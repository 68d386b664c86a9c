//! Attestation by X.509 (rules B1 to B3): who a certificate chain proves its holder to be.

use std::fmt;
use std::sync::Arc;

use firsthop_protocol::{RegistrationId, Timestamp};

use super::enrollment::Enrollment;

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

/// A certificate of an enrollment entry.
#[derive(Debug)]
pub struct EnrolledCertificate {
    pub thumbprint: Thumbprint,
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
