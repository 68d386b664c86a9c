//! TLS of the device port: the server's certificate, and proof that a client holds the key of the certificate it shows.
//!
//! Who a client certificate stands for is judged after the handshake, at MQTT level, so that a refused device gets an answer it can
//! read instead of an alert. No session is ever resumed: a resumed session would skip that judgement.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use firsthop_protocol::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use serde::Deserialize;

use crate::domain::attestation::EnrolledCertificate;
use crate::pem;
pub use crate::pem::certificates;

/// Files of the server's certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// PEM file with the server's certificate and its intermediates, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key; readable by its owner only.
    pub key: PathBuf,
}

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] pem::FileError),
    #[error("certificate {} and key {} do not go together: {reason}", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, reason: rustls::Error },
}

/// Reads the files and makes the server side of TLS from them.
pub fn server_config(config: &Config) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&config.certificate)?;
    let key = pem::private_key(&config.key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Possession { algorithms: provider.signature_verification_algorithms });
    build(provider, verifier, chain, key).map(Arc::new).map_err(|reason| TlsError::Pair {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        reason,
    })
}

/// What somebody should know about the dates of the server's own certificate.
pub fn notice(config: &Config, now: Timestamp) -> Option<String> {
    let leaf = certificates(&config.certificate).ok()?.swap_remove(0);
    EnrolledCertificate::leaf(leaf).ok()?.notice(now)
}

fn build(
    provider: Arc<CryptoProvider>,
    verifier: Arc<Possession>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Accepts any client certificate whose key signed this handshake, and none at all.
struct Possession {
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Possession")
    }
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: the names of thousands of groups do not fit the message.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms).or_else(|error| {
            // A certificate that the path library cannot read at all, as with an unknown critical extension, still has a key: its
            // holder shall be told at MQTT level what is wrong with it.
            let rustls::Error::InvalidCertificate(_) = error else { return Err(error) };
            let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Err(error) };
            let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
            crypto::verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
