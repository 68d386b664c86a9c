//! Certificate authorities: made new, or loaded from PEM, and what they issue.

use std::fmt;
use std::path::Path;

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use crate::files::{self, FileError, WrittenPair};
use crate::loading::{LoadError, parse};
use crate::{
    AuthorityCertificate, DeviceCertificate, Identity, IssueError, KeyKind, ServerCertificate, Validity,
    pem as pem_text,
};

const INTERMEDIATE_DAYS: u32 = 1825;

/// A certificate with its key, able to sign others.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    /// The intermediates between this authority and its root, nearest first, without the root.
    above: Vec<CertificateDer<'static>>,
    self_issued: bool,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(
        certificate: CertificateDer<'static>,
        above: Vec<CertificateDer<'static>>,
        self_issued: bool,
        issuer: Issuer<'static, KeyPair>,
    ) -> Self {
        Self { certificate, above, self_issued, issuer }
    }

    /// A new root, P-256, for ten years.
    pub fn root(cn: &str) -> Result<Self, IssueError> {
        AuthorityCertificate::new(cn).self_signed()
    }

    /// A new authority below this one, P-256, for five years.
    pub fn intermediate(&self, cn: &str) -> Result<Self, IssueError> {
        AuthorityCertificate::new(cn).validity(Validity::from_now(INTERMEDIATE_DAYS)).signed_by(self)
    }

    /// A device certificate as it should be: the registration id as common name, clientAuth, P-256, a year.
    pub fn device(&self, registration_id: &str) -> Result<Identity, IssueError> {
        DeviceCertificate::new(registration_id).signed_by(self)
    }

    /// A server certificate for these DNS names and IP addresses: serverAuth, P-256, a year.
    pub fn server(&self, names: &[String]) -> Result<Identity, IssueError> {
        ServerCertificate::new(names).signed_by(self)
    }

    /// The certificate alone.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate alone, as PEM: what an enrollment group is given.
    pub fn certificate_pem(&self) -> String {
        pem_text::certificates([&self.certificate])
    }

    /// The private key as PEM.
    pub fn key_pem(&self) -> String {
        let der = self.issuer.key().serialized_der();
        let key = PrivateKeyDer::try_from(der).unwrap_or_else(|_| PrivateKeyDer::Pkcs8(der.into()));
        pem_text::private_key(&key)
    }

    /// What a leaf of this authority sends after itself: this authority and those above it, without the root.
    pub fn intermediates(&self) -> Vec<CertificateDer<'static>> {
        let own = (!self.self_issued).then_some(&self.certificate);
        own.into_iter().chain(&self.above).cloned().collect()
    }

    /// Writes `<stem>.pem` (0644; the certificate, then the intermediates above it) and `<stem>.key` (0600) into `dir`,
    /// which is made (0700) where it is missing. Never overwrites.
    pub fn write(&self, dir: impl AsRef<Path>, stem: &str) -> Result<WrittenPair, FileError> {
        files::write_pair(dir.as_ref(), stem, &self.chain_pem(), &self.key_pem())
    }

    /// Like [`write`](Self::write), but takes the place of files that are there.
    pub fn replace(&self, dir: impl AsRef<Path>, stem: &str) -> Result<WrittenPair, FileError> {
        files::replace_pair(dir.as_ref(), stem, &self.chain_pem(), &self.key_pem())
    }

    /// Loads `<stem>.pem` and `<stem>.key`, `stem` being the path up to the extension. Refuses a key file that others
    /// than its owner can read. An authority with [problems](Self::problems) loads all the same.
    pub fn read(stem: impl AsRef<Path>) -> Result<Self, LoadError> {
        let pair = files::read_pair(stem.as_ref())?;
        let named = |error| LoadError::In { path: pair.paths.certificate.clone(), error: Box::new(error) };
        let chain = pair.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&pair.key_pem).map_err(|source| FileError::Pem {
            path: pair.paths.key.clone(),
            what: "private key",
            source,
        })?;
        Self::from_chain(chain, &key).map_err(named)
    }

    /// Loads an authority from the PEM texts of its certificate (with those above it, if any) and its key.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, LoadError> {
        let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(LoadError::KeyPem)?;
        Self::from_chain(chain.map_err(LoadError::CertificatePem)?, &key)
    }

    /// Signs with a device's or server's certificate, which nobody should accept.
    pub fn from_identity(identity: &Identity) -> Result<Self, LoadError> {
        Self::from_chain(identity.chain.clone(), &identity.key)
    }

    /// What keeps verifiers from accepting certificates of this authority at `now`.
    pub fn problems(&self, now: OffsetDateTime) -> Vec<AuthorityProblem> {
        let Ok(parsed) = parse(&self.certificate) else {
            return vec![AuthorityProblem::Unreadable];
        };
        let mut problems = Vec::new();
        match parsed.basic_constraints() {
            Ok(Some(constraints)) if constraints.value.ca => {
                if constraints.value.path_len_constraint == Some(0) {
                    problems.push(AuthorityProblem::NoAuthorityBelow);
                }
            }
            _ => problems.push(AuthorityProblem::NotAnAuthority),
        }
        if let Ok(Some(usage)) = parsed.key_usage()
            && !usage.value.key_cert_sign()
        {
            problems.push(AuthorityProblem::MayNotSign);
        }
        if now > parsed.validity().not_after.to_datetime() {
            problems.push(AuthorityProblem::Expired(parsed.validity().not_after.to_datetime()));
        }
        if now < parsed.validity().not_before.to_datetime() {
            problems.push(AuthorityProblem::NotYetValid(parsed.validity().not_before.to_datetime()));
        }
        problems
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// An authority that has this one's name and key identifier, but another key: its signatures are forgeries.
    pub(crate) fn impostor(&self) -> Result<Self, IssueError> {
        Ok(Self {
            certificate: self.certificate.clone(),
            above: self.above.clone(),
            self_issued: self.self_issued,
            issuer: Issuer::from_ca_cert_der(&self.certificate, KeyKind::P256.generate()?).map_err(IssueError::Sign)?,
        })
    }

    fn chain_pem(&self) -> String {
        pem_text::certificates(std::iter::once(&self.certificate).chain(&self.above))
    }
}

/// Something about an authority that makes verifiers refuse what it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityProblem {
    Unreadable,
    NotAnAuthority,
    MayNotSign,
    /// Path length 0: it may sign leaves, but no further authority.
    NoAuthorityBelow,
    Expired(OffsetDateTime),
    NotYetValid(OffsetDateTime),
}

impl fmt::Display for AuthorityProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it cannot be read"),
            Self::NotAnAuthority => f.write_str("it is not a CA certificate (basicConstraints)"),
            Self::MayNotSign => f.write_str("its key usage does not allow signing certificates (keyCertSign)"),
            Self::NoAuthorityBelow => f.write_str("its path length of 0 allows no authority below it"),
            Self::Expired(at) => write!(f, "it expired at {at}"),
            Self::NotYetValid(at) => write!(f, "it is not valid before {at}"),
        }
    }
}
