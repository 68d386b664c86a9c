//! An authority, a server and a device, made anew for each test process.

use std::fs::Permissions;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use firsthop_agent::{Credentials, TrustedRoots};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub struct Authority {
    pub certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

pub struct Identity {
    pub chain_pem: String,
    pub key_pem: String,
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("Test root"));
pub static SERVER: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue("server", &["localhost", "127.0.0.1"]));
pub static DEVICE: LazyLock<Identity> = LazyLock::new(|| AUTHORITY.issue("Dev-1", &[]));

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn issue(&self, name: &str, alternative_names: &[&str]) -> Identity {
        self.issue_dated(name, alternative_names, 1975..4096)
    }

    /// With a key that was made elsewhere.
    pub fn issue_for(&self, name: &str, key: KeyPair) -> Identity {
        self.sign(name, &[], 1975..4096, key)
    }

    /// Valid from the first day of one year to the first day of another.
    pub fn issue_dated(&self, name: &str, alternative_names: &[&str], years: Range<i32>) -> Identity {
        self.sign(name, alternative_names, years, KeyPair::generate().unwrap())
    }

    fn sign(&self, name: &str, alternative_names: &[&str], years: Range<i32>, key: KeyPair) -> Identity {
        let names: Vec<_> = alternative_names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.into(),
            key: key.serialize_der(),
        }
    }

    pub fn roots(&self) -> TrustedRoots {
        TrustedRoots::from_der(vec![self.certificate.der().clone()]).unwrap()
    }
}

impl Identity {
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).unwrap()
    }

    pub fn credentials(&self) -> Credentials {
        Credentials::from_der(vec![self.certificate.clone()], self.key()).unwrap()
    }
}

/// A file as a key's has to be.
pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}
