//! Where the service is and which authorities may vouch for it.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::{SetupError, pem, tls};

/// The root certificates that may vouch for a server. Cheap to clone and to share between endpoints.
#[derive(Debug, Clone)]
pub struct TrustedRoots {
    pub(crate) verifier: Arc<WebPkiServerVerifier>,
    pub(crate) origin: Arc<str>,
}

impl TrustedRoots {
    /// Reads one or more PEM certificates. Blocks on the file system.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref();
        Self::new(pem::certificates(path)?, &path.display().to_string())
    }

    /// Takes DER certificates.
    pub fn from_der(certificates: Vec<CertificateDer<'static>>) -> Result<Self, SetupError> {
        Self::new(certificates, "the roots given")
    }

    fn new(certificates: Vec<CertificateDer<'static>>, origin: &str) -> Result<Self, SetupError> {
        let bad = |message| SetupError::TrustedRoots { origin: origin.to_owned(), message };
        let mut roots = RootCertStore::empty();
        for (at, certificate) in certificates.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| bad(format!("certificate {}: {error}", at + 1)))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider().clone())
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self { verifier, origin: origin.into() })
    }
}

/// A provisioning endpoint: host, port, and how its certificate is judged.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) roots: TrustedRoots,
}

impl Endpoint {
    /// The endpoint at a DNS name or an IP address. The server's certificate must be for that name.
    pub fn new(host: &str, port: u16, roots: TrustedRoots) -> Result<Self, SetupError> {
        // An IPv6 address as it stands in a URI.
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.into(), port, server_name: server_name(host)?, roots })
    }

    /// Expects the server's certificate to be for another name than the host, and asks for that name (SNI).
    pub fn with_server_name(self, name: &str) -> Result<Self, SetupError> {
        Ok(Self { server_name: server_name(name)?, ..self })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, SetupError> {
    ServerName::try_from(name.to_owned()).map_err(|_| SetupError::ServerName { name: name.to_owned() })
}
