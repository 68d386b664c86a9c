//! Certificate authorities: made new, or loaded from PEM, and what they issue.

use std::fmt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate::{common_name, parameters};
use crate::files::{self, FileError, WrittenPair};
use crate::{
    DeviceCertificate, Identity, IssueError, KeyKind, ServerCertificate, Validity, pem as pem_text,
};

const ROOT_DAYS: u32 = 3650;
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
    /// A new root, P-256, for ten years.
    pub fn root(cn: &str) -> Result<Self, IssueError> {
        AuthorityCertificate::new(cn).self_signed()
    }

    /// A new authority below this one, P-256, for five years.
    pub fn intermediate(&self, cn: &str) -> Result<Self, IssueError> {
        AuthorityCertificate::new(cn)
            .validity(Validity::from_now(INTERMEDIATE_DAYS))
            .signed_by(self)
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
        let named = |error| LoadError::In {
            path: pair.paths.certificate.clone(),
            error: Box::new(error),
        };
        let chain = pair.certificates()?;
        let key =
            PrivateKeyDer::from_pem_slice(&pair.key_pem).map_err(|source| FileError::Pem {
                path: pair.paths.key.clone(),
                what: "private key",
                source,
            })?;
        Self::from_chain(chain, &key).map_err(named)
    }

    /// Loads an authority from the PEM texts of its certificate (with those above it, if any) and its key.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, LoadError> {
        let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(LoadError::KeyPem)?;
        Self::from_chain(chain.map_err(LoadError::CertificatePem)?, &key)
    }

    /// Signs with a device's or server's certificate, which nobody should accept.
    pub fn from_identity(identity: &Identity) -> Result<Self, LoadError> {
        Self::from_chain(identity.chain.clone(), &identity.key)
    }

    fn from_chain(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, LoadError> {
        let mut above = chain.into_iter();
        let certificate = above
            .next()
            .ok_or(LoadError::CertificatePem(pem::Error::NoItemsFound))?;
        let mut above: Vec<_> = above.collect();
        let key = KeyPair::try_from(key).map_err(LoadError::Key)?;

        let parsed = parse(&certificate)?;
        if parsed.public_key().subject_public_key.data != key.der_bytes() {
            return Err(LoadError::KeyMismatch {
                subject: parsed.subject().to_string(),
            });
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
        Ok(Self {
            certificate,
            above,
            self_issued,
            issuer,
        })
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
            problems.push(AuthorityProblem::Expired(
                parsed.validity().not_after.to_datetime(),
            ));
        }
        if now < parsed.validity().not_before.to_datetime() {
            problems.push(AuthorityProblem::NotYetValid(
                parsed.validity().not_before.to_datetime(),
            ));
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
            issuer: Issuer::from_ca_cert_der(&self.certificate, KeyKind::P256.generate()?)
                .map_err(IssueError::Sign)?,
        })
    }

    fn chain_pem(&self) -> String {
        pem_text::certificates(std::iter::once(&self.certificate).chain(&self.above))
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, LoadError> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| LoadError::Certificate(error.to_string()))?;
    Ok(parsed)
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// How many of `above` lie between `first` and its root, each having issued the one before it.
fn links(
    first: &X509Certificate<'_>,
    above: &[CertificateDer<'static>],
) -> Result<usize, LoadError> {
    let mut below = first.clone();
    for (count, certificate) in above.iter().enumerate() {
        let next = parse(certificate)?;
        if below.issuer().as_raw() != next.subject().as_raw() {
            return Err(LoadError::Order {
                subject: next.subject().to_string(),
                below: below.subject().to_string(),
            });
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
fn writes_its_own_name(
    issuer: &Issuer<'static, KeyPair>,
    authority: &X509Certificate<'_>,
) -> Result<bool, LoadError> {
    let probe = CertificateParams::default()
        .signed_by(issuer.key(), issuer)
        .map_err(LoadError::Issuer)?;
    Ok(parse(probe.der())?.issuer().as_raw() == authority.subject().as_raw())
}

/// Builds an [`Authority`], a sound one unless told otherwise.
#[derive(Debug, Clone)]
pub struct AuthorityCertificate {
    subject: DistinguishedName,
    key_kind: KeyKind,
    validity: Validity,
    path_length: Option<u8>,
    ca: bool,
    key_cert_sign: bool,
}

impl AuthorityCertificate {
    pub fn new(cn: &str) -> Self {
        Self {
            subject: common_name(cn),
            key_kind: KeyKind::default(),
            validity: Validity::from_now(ROOT_DAYS),
            path_length: None,
            ca: true,
            key_cert_sign: true,
        }
    }

    #[must_use]
    pub fn key_kind(mut self, kind: KeyKind) -> Self {
        self.key_kind = kind;
        self
    }

    #[must_use]
    pub fn validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// How many authorities may stand between this one and a leaf. Nothing here keeps that promise: an authority with
    /// a length of 0 signs a further one, which verifiers must refuse.
    #[must_use]
    pub fn path_length(mut self, length: u8) -> Self {
        self.path_length = Some(length);
        self
    }

    /// Broken on purpose: basicConstraints say CA:FALSE.
    #[must_use]
    pub fn not_a_ca(mut self) -> Self {
        self.ca = false;
        self
    }

    /// Broken on purpose: the key usage allows to sign CRLs, but no certificates.
    #[must_use]
    pub fn without_key_cert_sign(mut self) -> Self {
        self.key_cert_sign = false;
        self
    }

    pub fn self_signed(self) -> Result<Authority, IssueError> {
        let (params, key) = self.parts()?;
        let certificate = params.self_signed(&key).map_err(IssueError::Sign)?.into();
        Ok(Authority {
            certificate,
            above: Vec::new(),
            self_issued: true,
            issuer: Issuer::new(params, key),
        })
    }

    pub fn signed_by(self, authority: &Authority) -> Result<Authority, IssueError> {
        let (params, key) = self.parts()?;
        let certificate = params
            .signed_by(&key, authority.issuer())
            .map_err(IssueError::Sign)?
            .into();
        let above = authority.intermediates();
        Ok(Authority {
            certificate,
            above,
            self_issued: false,
            issuer: Issuer::new(params, key),
        })
    }

    fn parts(self) -> Result<(CertificateParams, KeyPair), IssueError> {
        let mut params = parameters(self.subject, self.validity)?;
        if self.ca {
            params.is_ca = IsCa::Ca(match self.path_length {
                Some(length) => BasicConstraints::Constrained(length),
                None => BasicConstraints::Unconstrained,
            });
        }
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        if self.key_cert_sign {
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        Ok((params, self.key_kind.generate()?))
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
            Self::MayNotSign => {
                f.write_str("its key usage does not allow signing certificates (keyCertSign)")
            }
            Self::NoAuthorityBelow => {
                f.write_str("its path length of 0 allows no authority below it")
            }
            Self::Expired(at) => write!(f, "it expired at {at}"),
            Self::NotYetValid(at) => write!(f, "it is not valid before {at}"),
        }
    }
}

/// Why an authority could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    File(#[from] FileError),
    /// What is wrong with the contents of a file.
    #[error("{}: {error}", path.display())]
    In {
        path: std::path::PathBuf,
        error: Box<LoadError>,
    },
    #[error("the certificate text has no certificate that can be read as PEM: {0}")]
    CertificatePem(pem::Error),
    #[error("the key text has no private key that can be read as PEM: {0}")]
    KeyPem(pem::Error),
    #[error("not an X.509 certificate: {0}")]
    Certificate(String),
    #[error(
        "the private key is of no known kind (use P-256, P-384, RSA of 2048 bits or more, or Ed25519): {0}"
    )]
    Key(rcgen::Error),
    #[error("the private key does not belong to the certificate of {subject:?}")]
    KeyMismatch { subject: String },
    #[error("the certificate of {subject:?} follows that of {below:?}, but did not issue it")]
    Order { subject: String, below: String },
    #[error(
        "the subject {0:?} has an attribute twice, or two in one part, and cannot be written as an issuer's name"
    )]
    Subject(String),
    #[error("the certificate cannot sign others: {0}")]
    Issuer(rcgen::Error),
}
