//! What a device proves itself with: a certificate chain and the private key of its leaf.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use firsthop_protocol::RegistrationId;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{SetupError, Validity, pem, tls};

/// A certificate chain, leaf first, with the leaf's private key. Cheap to clone; nothing is parsed again for a connection.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) resolver: Arc<SingleCertAndKey>,
    registration_id: Option<RegistrationId>,
    validity: Option<Validity>,
}

impl Credentials {
    /// Reads a PEM chain (leaf first) and its PEM key (PKCS#8, SEC1 or PKCS#1). A key file that its group or others may read is refused.
    ///
    /// Blocks on the file system.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, SetupError> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let certificates = pem::certificates(chain)?;
        let private_key = pem::private_key(key)?;
        Self::from_der(certificates, private_key).map_err(|error| match error {
            SetupError::Credentials { message, .. } => {
                SetupError::Credentials { origin: format!("{} with {}", chain.display(), key.display()), message }
            }
            other => other,
        })
    }

    /// A DER chain, leaf first, and the leaf's key.
    pub fn from_der(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, SetupError> {
        let certified = CertifiedKey::from_der(chain, key, tls::provider()).map_err(|error| {
            SetupError::Credentials { origin: "certificate and key".into(), message: tls::unusable_key(&error) }
        })?;
        Ok(Self::proven(certified))
    }

    /// A chain with a key that is known to belong to it.
    pub(crate) fn proven(certified: CertifiedKey) -> Self {
        let registration_id = certified.cert.first().and_then(|leaf| registration_id(leaf));
        let validity = Validity::of(&certified.cert);
        Self { resolver: Arc::new(SingleCertAndKey::from(certified)), registration_id, validity }
    }

    /// The registration id that the service will see: the leaf's common name. `None` when there is not exactly one, or it is no
    /// registration id; such a certificate can still be presented, and the service says what is wrong with it.
    pub fn registration_id(&self) -> Option<&RegistrationId> {
        self.registration_id.as_ref()
    }

    /// From when until when the whole chain counts. `None` when one of its certificates cannot be read.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("registration_id", &self.registration_id).finish_non_exhaustive()
    }
}

fn registration_id(leaf: &CertificateDer<'_>) -> Option<RegistrationId> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let mut names = certificate.subject().iter_common_name();
    match (names.next(), names.next()) {
        (Some(name), None) => RegistrationId::parse(name.as_str().ok()?).ok(),
        _ => None,
    }
}
