//! Builds authorities: sound ones, and those with a flaw that verifiers must find.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::certificate::{common_name, parameters};
use crate::{Authority, IssueError, KeyKind, Validity};

const ROOT_DAYS: u32 = 3650;

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
        let issuer = Issuer::new(params, key);
        Ok(Authority::new(certificate, Vec::new(), true, issuer))
    }

    pub fn signed_by(self, authority: &Authority) -> Result<Authority, IssueError> {
        let (params, key) = self.parts()?;
        let certificate = params.signed_by(&key, authority.issuer()).map_err(IssueError::Sign)?.into();
        let above = authority.intermediates();
        let issuer = Issuer::new(params, key);
        Ok(Authority::new(certificate, above, false, issuer))
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
