//! Server certificates: DNS names and IP addresses in the subject alternative name.

use std::net::IpAddr;

use rcgen::{DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use rustls_pki_types::DnsName;

use crate::certificate::parameters;
use crate::{Authority, Identity, IssueError, KeyKind, Validity};

const SERVER_DAYS: u32 = 365;

/// X.509's upper bound for a common name. Clients look at the alternative names only.
const MAX_COMMON_NAME: usize = 64;

/// Builds a server's [`Identity`].
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    names: Vec<String>,
    key_kind: KeyKind,
    validity: Validity,
}

impl ServerCertificate {
    /// Each name is an IP address or a DNS name, which may begin with `*.`.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), key_kind: KeyKind::default(), validity: Validity::from_now(SERVER_DAYS) }
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

    pub fn signed_by(self, authority: &Authority) -> Result<Identity, IssueError> {
        let first = self.names.first().ok_or(IssueError::NoServerName)?;
        let mut subject = DistinguishedName::new();
        if first.len() <= MAX_COMMON_NAME {
            subject.push(DnType::CommonName, first.as_str());
        }
        let mut params = parameters(subject, self.validity)?;
        params.subject_alt_names = self.names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = self.key_kind.generate()?;
        let certificate = params.signed_by(&key, authority.issuer()).map_err(IssueError::Sign)?;
        Ok(Identity::new(certificate.into(), authority.intermediates(), &key))
    }
}

fn alternative_name(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || IssueError::ServerName(name.to_owned());
    DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).map_err(|_| refused())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}
