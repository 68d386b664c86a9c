//! TLS of HTTP clients and servers, made from files. One crypto provider, and no resumption.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::pem::{self, FileError};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("certificate {} and key {} do not go together: {reason}", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, reason: rustls::Error },
    #[error("{0}")]
    Setup(String),
}

/// The certificate that this side shows, and its key.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'p> {
    pub certificate: &'p Path,
    pub key: &'p Path,
}

/// The client's side of TLS: trusts these authorities, and shows that certificate, where there is one.
pub fn client(roots: RootCertStore, pair: Option<Pair<'_>>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (chain, key) = pair.read()?;
            builder.with_client_auth_cert(chain, key).map_err(|reason| pair.mismatch(reason))?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The server's side of mutual TLS: only certificates of these authorities come through the handshake.
pub fn mutual_server(pair: Pair<'_>, client_roots: RootCertStore) -> Result<ServerConfig, TlsError> {
    let setup = |error: &dyn std::fmt::Display| TlsError::Setup(error.to_string());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(client_roots), provider())
        .build()
        .map_err(|error| setup(&error))?;
    let (chain, key) = pair.read()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|reason| pair.mismatch(reason))?;
    // A resumed session would outlive the dates of the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The CA certificates of a PEM file.
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| FileError::new(path, format!("holds what is no CA certificate: {error}")))?;
    }
    Ok(roots)
}

/// The CA certificates that the system trusts; perhaps none.
pub fn system_authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a part of the system's CA certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    // Systems carry old certificates that no library reads any more: they are left out.
    roots.add_parsable_certificates(found.certs);
    roots
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Pair<'_> {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        Ok((pem::certificates(self.certificate)?, pem::private_key(self.key)?))
    }

    fn mismatch(&self, reason: rustls::Error) -> TlsError {
        TlsError::Pair { certificate: self.certificate.to_owned(), key: self.key.to_owned(), reason }
    }
}
