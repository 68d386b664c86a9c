//! Reading one certificate: dates, key ids and extensions in the form that the rules need. No rule is decided here.

use std::time::Duration;

use firsthop_protocol::Timestamp;
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The certificate, or why it cannot be read.
pub(super) fn read<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(der.as_ref()) {
        Ok(([], cert)) => Ok(cert),
        Ok((rest, _)) => Err(format!("{} bytes follow the certificate", rest.len())),
        Err(error) => Err(super::name::shown(&error.to_string())),
    }
}

/// When a certificate is valid: from `from` until just before `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Validity {
    pub(super) fn of(cert: &X509Certificate<'_>) -> Self {
        let at = |seconds: i64| Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0));
        let validity = cert.validity();
        // The second named by notAfter still belongs to the period.
        Self { from: at(validity.not_before.timestamp()), until: at(validity.not_after.timestamp().saturating_add(1)) }
    }

    /// The time in which both are valid.
    pub(super) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    pub(super) fn last_second(self) -> Timestamp {
        Timestamp::from_secs(self.until.secs().saturating_sub(1))
    }

    /// What is wrong at `now`, as in "expired on 2025-01-01T00:00:00Z".
    pub(super) fn fault(self, now: Timestamp) -> Option<String> {
        if now >= self.until {
            Some(format!("expired on {}", second(self.last_second())))
        } else if now < self.from {
            Some(format!("is not valid before {}", second(self.from)))
        } else {
            None
        }
    }
}

/// A time as certificates write it: to the second.
pub(super) fn second(at: Timestamp) -> String {
    match i64::try_from(at.secs()).ok().and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok()) {
        Some(time) => {
            let (date, clock) = (time.date(), time.time());
            let (month, day) = (u8::from(date.month()), date.day());
            format!(
                "{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
                date.year(),
                clock.hour(),
                clock.minute(),
                clock.second()
            )
        }
        None => format!("{:?} after 1970", Duration::from_secs(at.secs())),
    }
}

/// The name's DER without its outer tag and length, which is how path validation keeps it.
pub(super) fn name_content<'a>(name: &X509Name<'a>) -> &'a [u8] {
    super::signature::content(name.as_raw()).unwrap_or_default()
}

/// The public key's DER without its outer tag and length.
pub(super) fn key_content<'a>(cert: &X509Certificate<'a>) -> &'a [u8] {
    super::signature::content(cert.tbs_certificate.subject_pki.raw).unwrap_or_default()
}

pub(super) fn subject_key_id<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    cert.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

pub(super) fn authority_key_id<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    cert.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    })
}

/// Extensions that path validation understands; every other critical one must be refused.
fn is_known(oid: &Oid<'_>) -> bool {
    [
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS,
        OID_X509_EXT_SUBJECT_ALT_NAME,
    ]
    .contains(oid)
}

/// The first critical extension that is not understood.
pub(super) fn unknown_critical(cert: &X509Certificate<'_>) -> Option<String> {
    cert.iter_extensions()
        .find(|extension| extension.critical && !is_known(&extension.oid))
        .map(|extension| extension.oid.to_id_string())
}

pub(super) fn serial(cert: &X509Certificate<'_>) -> String {
    cert.raw_serial().iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}
