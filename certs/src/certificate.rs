//! What every certificate gets, whoever it is for: a random serial number, its dates, and key identifiers.

use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, SerialNumber};

use crate::Validity;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The key could not be made.
    #[error("cannot make the key")]
    Key(#[source] rcgen::Error),
    /// The certificate could not be encoded or signed.
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
    /// The system gives no random bytes.
    #[error("the system's random number generator failed")]
    Random,
    /// X.509 can only write the years 0 to 9999.
    #[error("the validity ends or begins in the year {0}; X.509 can write the years 0 to 9999")]
    Year(i32),
    /// A server certificate needs a name.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoServerName,
    /// Neither an IP address nor a DNS name.
    #[error("{0:?} is neither an IP address nor a DNS name (write other alphabets as xn--...)")]
    ServerName(String),
    /// The identity that should sign cannot be an authority at all.
    #[error("the certificate that should sign cannot be used")]
    Issuer(#[source] Box<crate::LoadError>),
}

/// Parameters with none of rcgen's own defaults left: those are a fixed subject, the years 1975 to 4096, and a serial
/// number derived from the key, which two certificates of one key would share.
pub(crate) fn parameters(subject: DistinguishedName, validity: Validity) -> Result<CertificateParams, IssueError> {
    for date in [validity.not_before, validity.not_after] {
        // The offset counts: X.509 writes the date in UTC.
        let year = date.checked_to_offset(time::UtcOffset::UTC).map_or(date.year(), |utc| utc.year());
        if !(0..=9999).contains(&year) {
            return Err(IssueError::Year(year));
        }
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.serial_number = Some(serial_number()?);
    params.use_authority_key_identifier_extension = true;
    // Writes basicConstraints (CA:FALSE) and the subject key identifier, which the plain default leaves out.
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// 16 random bytes. The top bits are fixed so that the number is positive and always 16 bytes long.
fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut bytes: [u8; 16] = random()?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], IssueError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IssueError::Random)?;
    Ok(bytes)
}
