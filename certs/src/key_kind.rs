//! The key algorithms that the PKI can make.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::IssueError;

/// The algorithm of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// RSA with 2048 bits and SHA-256. A key takes a tenth of a second and more.
    Rsa2048,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::Rsa2048, Self::Ed25519];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
            Self::Ed25519 => "ed25519",
        }
    }

    pub(crate) fn generate(self) -> Result<KeyPair, IssueError> {
        let key = match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Ed25519 => return generate_ed25519(),
        };
        key.map_err(IssueError::Key)
    }
}

/// rcgen itself writes Ed25519 keys as PKCS#8 version 2, which OpenSSL and with it the mosquitto clients cannot read.
fn generate_ed25519() -> Result<KeyPair, IssueError> {
    let unavailable = |_| IssueError::Key(rcgen::Error::RingUnspecified);
    let key = Ed25519KeyPair::generate().map_err(unavailable)?;
    let document = key.to_pkcs8v1().map_err(unavailable)?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(document.as_ref())).map_err(IssueError::Key)
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyKind {
    type Err = UnknownKeyKind;

    fn from_str(text: &str) -> Result<Self, UnknownKeyKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| UnknownKeyKind(text.to_owned()))
    }
}

/// The text names no [`KeyKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown key kind {0:?}; use p256, p384, rsa2048 or ed25519")]
pub struct UnknownKeyKind(pub String);
