//! One certificate, described for a person.

use std::fmt;

use firsthop_protocol::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::{Serialize, Serializer};
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::public_key::PublicKey;

use super::enrolled::thumbprint;
use super::presented::{self, Validity, second};
use super::{Thumbprint, name};

/// What a certificate is in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    Device,
    Intermediate,
    /// Presented, and not needed or not reached.
    Unused,
    /// Not presented: part of the enrollment.
    Enrolled,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its place among those presented, from 1; 0 for an enrolled one.
    pub number: usize,
    pub role: Role,
    #[serde(serialize_with = "as_text")]
    pub thumbprint: Thumbprint,
    /// What it says, or why it cannot be read.
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Content {
    #[serde(rename_all = "camelCase")]
    Readable {
        subject: String,
        issuer: String,
        serial: String,
        not_before: Timestamp,
        not_after: Timestamp,
        key: String,
        is_ca: bool,
    },
    #[serde(rename_all = "camelCase")]
    Unreadable { unreadable: String },
}

/// A certificate in one line, for the operator's log.
pub fn in_short(der: &CertificateDer<'_>) -> String {
    let Summary { thumbprint, content, .. } = Summary::of(der, 1, Role::Device);
    match content {
        Content::Readable { subject, issuer, serial, .. } => {
            format!("{subject}, issuer {issuer}, serial {serial}, sha-256 {thumbprint}")
        }
        Content::Unreadable { unreadable } => format!("unreadable ({unreadable}), sha-256 {thumbprint}"),
    }
}

impl Summary {
    pub(super) fn of(der: &CertificateDer<'_>, number: usize, role: Role) -> Self {
        let content = match presented::read(der) {
            Ok(cert) => {
                let validity = Validity::of(&cert);
                Content::Readable {
                    subject: name::distinguished(cert.subject()),
                    issuer: name::distinguished(cert.issuer()),
                    serial: presented::serial(&cert),
                    not_before: validity.from,
                    not_after: validity.last_second(),
                    key: key_type(&cert),
                    is_ca: cert.is_ca(),
                }
            }
            Err(unreadable) => Content::Unreadable { unreadable },
        };
        Self { number, role, thumbprint: thumbprint(der), content }
    }
}

fn as_text<S: Serializer>(thumbprint: &Thumbprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(thumbprint)
}

fn key_type(cert: &X509Certificate<'_>) -> String {
    let key = cert.public_key();
    let algorithm = &key.algorithm;
    if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        return match key.parsed() {
            Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
            _ => "RSA".to_owned(),
        };
    }
    if algorithm.algorithm == OID_SIG_ED25519 {
        return "Ed25519".to_owned();
    }
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = algorithm.parameters.as_ref().and_then(|parameters| Oid::try_from(parameters).ok());
        let known =
            [(OID_EC_P256, "ECDSA P-256"), (OID_NIST_EC_P384, "ECDSA P-384"), (OID_NIST_EC_P521, "ECDSA P-521")];
        return match curve {
            Some(curve) => {
                let named = known.into_iter().find(|(oid, _)| *oid == curve);
                named.map_or_else(|| format!("ECDSA, curve {}", curve.to_id_string()), |(_, name)| name.to_owned())
            }
            None => "ECDSA".to_owned(),
        };
    }
    algorithm.algorithm.to_id_string()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Device => writeln!(f, "  [{}] device certificate", self.number)?,
            Role::Intermediate => writeln!(f, "  [{}] intermediate certificate", self.number)?,
            Role::Unused => writeln!(f, "  [{}] sent, but not used", self.number)?,
            Role::Enrolled => writeln!(f, "  [*] enrolled certificate")?,
        }
        match &self.content {
            Content::Readable { subject, issuer, not_before, not_after, key, is_ca, .. } => {
                writeln!(f, "      subject   {subject}")?;
                writeln!(f, "      issuer    {issuer}")?;
                writeln!(f, "      valid     {} to {}", second(*not_before), second(*not_after))?;
                writeln!(f, "      key       {key}{}", if *is_ca { ", CA" } else { "" })?;
            }
            Content::Unreadable { unreadable } => writeln!(f, "      unreadable: {unreadable}")?,
        }
        writeln!(f, "      sha-256   {}", self.thumbprint)
    }
}
