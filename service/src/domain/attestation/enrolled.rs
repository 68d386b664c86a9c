//! Certificates of enrollment entries: checked once when the entry is made, because path validation takes an anchor as it is (rule B3).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use firsthop_protocol::{RegistrationId, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;

use super::presented::{self, Validity};
use super::{Thumbprint, constraints, name, signature};

/// How long before its end a certificate is warned of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate of an enrollment entry.
pub struct EnrolledCertificate {
    pub thumbprint: Thumbprint,
    der: CertificateDer<'static>,
    validity: Validity,
    /// For CA certificates of groups.
    anchor: Option<Anchor>,
}

/// What a path ends in.
pub(super) struct Anchor {
    pub(super) trust: TrustAnchor<'static>,
    /// The subject key identifier, if the certificate has one.
    pub(super) key_id: Option<Box<[u8]>>,
    /// How many CA certificates may stand between this one and a device's.
    pub(super) path_len: Option<u32>,
}

/// Why a certificate cannot be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("it is not an X.509 certificate: {0}")]
    Unreadable(String),
    #[error("it is an X.509 version {0} certificate; only version 3 can say what a key may be used for")]
    Version(u32),
    #[error("its subject is empty, so no certificate could name it as its issuer")]
    EmptySubject,
    #[error(
        "it is not a CA certificate (basicConstraints CA:true is missing); enroll the certificate that issues the devices' certificates"
    )]
    NotCa,
    #[error("its key usage does not allow signing certificates (keyCertSign is missing)")]
    NoCertSign,
    #[error(
        "its extended key usage does not include client authentication, so it may not issue certificates for devices"
    )]
    NotForClients,
    #[error("it has the critical extension {0}, which this service does not know")]
    UnknownCriticalExtension(String),
    #[error(
        "its name constraints hold directory names, which are not supported: every certificate below it would be refused"
    )]
    DirectoryNameConstraint,
    #[error(
        "its key is of a type or size that signatures are not accepted from (ECDSA P-256, P-384, P-521, Ed25519, RSA from 2048 bits)"
    )]
    UnsupportedKey,
    #[error("it cannot be used for path validation: {0}")]
    Unusable(String),
}

impl EnrolledCertificate {
    /// A CA certificate of an enrollment group. Dates are not judged here: they are at each use.
    pub fn group_ca(der: CertificateDer<'static>) -> Result<Self, CertificateFault> {
        let cert = parse(&der)?;
        refuse_unknown_critical(&cert)?;
        if cert.subject().iter_attributes().next().is_none() {
            return Err(CertificateFault::EmptySubject);
        }
        let basic = cert.basic_constraints().map_err(unreadable)?.ok_or(CertificateFault::NotCa)?.value;
        if !basic.ca {
            return Err(CertificateFault::NotCa);
        }
        if cert.key_usage().map_err(unreadable)?.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(CertificateFault::NoCertSign);
        }
        if cert
            .extended_key_usage()
            .map_err(unreadable)?
            .is_some_and(|usage| !usage.value.client_auth && !usage.value.any)
        {
            return Err(CertificateFault::NotForClients);
        }
        if constraints::refuse_all(&cert) {
            return Err(CertificateFault::DirectoryNameConstraint);
        }
        if !signature::is_supported_key(&cert) {
            return Err(CertificateFault::UnsupportedKey);
        }
        let trust =
            webpki::anchor_from_trusted_cert(&der).map_err(|error| CertificateFault::Unusable(error.to_string()))?;
        let anchor = Anchor {
            trust: trust.to_owned(),
            key_id: presented::subject_key_id(&cert).map(Into::into),
            path_len: basic.path_len_constraint,
        };
        let validity = Validity::of(&cert);
        Ok(Self { thumbprint: thumbprint(&der), validity, anchor: Some(anchor), der })
    }

    /// A device's certificate of an individual enrollment. It may be self-signed, and may be marked as a CA as `openssl req -x509` does.
    pub fn leaf(der: CertificateDer<'static>) -> Result<Self, CertificateFault> {
        let cert = parse(&der)?;
        refuse_unknown_critical(&cert)?;
        // The TLS handshake reads the certificate the same way.
        webpki::EndEntityCert::try_from(&der).map_err(|error| CertificateFault::Unusable(error.to_string()))?;
        let validity = Validity::of(&cert);
        Ok(Self { thumbprint: thumbprint(&der), validity, anchor: None, der })
    }

    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The subject, for display.
    pub fn subject(&self) -> String {
        self.read(|cert| name::distinguished(cert.subject())).unwrap_or_default()
    }

    /// The issuer, for display.
    pub fn issuer(&self) -> String {
        self.read(|cert| name::distinguished(cert.issuer())).unwrap_or_default()
    }

    /// The serial number in hexadecimal digits.
    pub fn serial(&self) -> String {
        self.read(presented::serial).unwrap_or_default()
    }

    /// The registration id that devices with this certificate have; `None` when its common name is none.
    pub fn registration_id(&self) -> Option<RegistrationId> {
        self.read(|certificate| super::leaf::identity(certificate).ok()).flatten()
    }

    /// What somebody should know about its dates: that they are not yet, no longer, or soon no longer met.
    pub fn notice(&self, now: Timestamp) -> Option<String> {
        let (subject, from, until) = (self.subject(), self.not_before(), self.not_after());
        match now {
            now if now < from => Some(format!("certificate {subject} is not valid before {from}")),
            now if now > until => Some(format!("certificate {subject} expired on {until}")),
            now if now.plus(SOON) > until => Some(format!("certificate {subject} expires on {until}")),
            _ => None,
        }
    }

    pub fn not_before(&self) -> Timestamp {
        self.validity.from
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> Timestamp {
        self.validity.last_second()
    }

    /// Whether it is a CA certificate of a group.
    pub fn is_group_ca(&self) -> bool {
        self.anchor.is_some()
    }

    /// A group's CA as issued certificates know it: its name and its key.
    pub(in crate::domain) fn authority(&self) -> Option<(&[u8], &[u8])> {
        self.anchor
            .as_ref()
            .map(|anchor| (anchor.trust.subject.as_ref(), anchor.trust.subject_public_key_info.as_ref()))
    }

    pub(super) fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    /// Display is rare and entries are many: the texts are read anew instead of kept.
    pub(super) fn read<T>(&self, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        presented::read(&self.der).ok().map(|cert| read(&cert))
    }
}

impl std::fmt::Debug for EnrolledCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolledCertificate")
            .field("subject", &self.subject())
            .field("thumbprint", &self.thumbprint)
            .finish()
    }
}

/// SHA-256 of a certificate.
pub(super) fn thumbprint(der: &[u8]) -> Thumbprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    Thumbprint(bytes)
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateFault> {
    let cert = presented::read(der).map_err(CertificateFault::Unreadable)?;
    match cert.version().0 {
        2 => Ok(cert),
        version => Err(CertificateFault::Version(version.saturating_add(1))),
    }
}

fn unreadable(error: x509_parser::error::X509Error) -> CertificateFault {
    CertificateFault::Unreadable(error.to_string())
}

fn refuse_unknown_critical(cert: &X509Certificate<'_>) -> Result<(), CertificateFault> {
    presented::unknown_critical(cert).map_or(Ok(()), |oid| Err(CertificateFault::UnknownCriticalExtension(oid)))
}
