//! Turns certificates and a key that somebody else made into an [`Authority`], or says why they cannot be one.

use std::path::PathBuf;

use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData as _};
use rustls_pki_types::pem;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::Authority;
use crate::files::FileError;

impl Authority {
    /// The authority's own certificate comes first, then those above it.
    pub(crate) fn from_chain(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, LoadError> {
        let mut above = chain.into_iter();
        let certificate = above.next().ok_or(LoadError::CertificatePem(pem::Error::NoItemsFound))?;
        let mut above: Vec<_> = above.collect();
        let key = KeyPair::try_from(key).map_err(LoadError::Key)?;

        let parsed = parse(&certificate)?;
        if parsed.public_key().subject_public_key.data != key.der_bytes() {
            return Err(LoadError::KeyMismatch { subject: parsed.subject().to_string() });
        }
        // rcgen would panic on an empty part of a name, and cannot write one with two attributes.
        if parsed.subject().iter().any(|part| part.iter().count() != 1) {
            return Err(LoadError::Subject(parsed.subject().to_string()));
        }
        let self_issued = is_self_issued(&parsed);
        above.truncate(links(&parsed, &above)?);

        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(LoadError::Issuer)?;
        if !writes_its_own_name(&issuer, &parsed)? {
            return Err(LoadError::Subject(parsed.subject().to_string()));
        }
        Ok(Self::new(certificate, above, self_issued, issuer))
    }
}

pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, LoadError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| LoadError::Certificate(error.to_string()))?;
    Ok(parsed)
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// How many of `above` lie between `first` and its root, each having issued the one before it.
fn links(first: &X509Certificate<'_>, above: &[CertificateDer<'static>]) -> Result<usize, LoadError> {
    let mut below = first.clone();
    for (count, certificate) in above.iter().enumerate() {
        let next = parse(certificate)?;
        if below.issuer().as_raw() != next.subject().as_raw() {
            return Err(LoadError::Order { subject: next.subject().to_string(), below: below.subject().to_string() });
        }
        // A file may end with the root; it is never sent.
        if is_self_issued(&next) {
            return Ok(count);
        }
        below = next;
    }
    Ok(above.len())
}

/// Signs a throw-away certificate and looks whether its issuer is byte for byte the authority's subject. rcgen keeps a
/// name as a map, so that of two equal attributes (two OUs) one is lost and no chain would ever be found.
fn writes_its_own_name(issuer: &Issuer<'static, KeyPair>, authority: &X509Certificate<'_>) -> Result<bool, LoadError> {
    let probe = CertificateParams::default().signed_by(issuer.key(), issuer).map_err(LoadError::Issuer)?;
    Ok(parse(probe.der())?.issuer().as_raw() == authority.subject().as_raw())
}

/// Why an authority could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] FileError),
    /// What is wrong with the contents of a file.
    #[error("{}: {error}", path.display())]
    In { path: PathBuf, error: Box<LoadError> },
    #[error("the certificate text has no certificate that can be read as PEM: {0}")]
    CertificatePem(pem::Error),
    #[error("the key text has no private key that can be read as PEM: {0}")]
    KeyPem(pem::Error),
    #[error("not an X.509 certificate: {0}")]
    Certificate(String),
    #[error("the private key is of no known kind (use P-256, P-384, RSA of 2048 bits or more, or Ed25519): {0}")]
    Key(rcgen::Error),
    #[error("the private key does not belong to the certificate of {subject:?}")]
    KeyMismatch { subject: String },
    #[error("the certificate of {subject:?} follows that of {below:?}, but did not issue it")]
    Order { subject: String, below: String },
    #[error("the subject {0:?} has an attribute twice, or two in one part, and cannot be written as an issuer's name")]
    Subject(String),
    #[error("the certificate cannot sign others: {0}")]
    Issuer(rcgen::Error),
}
