//! The TLS side of a connection: provider, configuration, and what a failure means.

use std::io;
use std::sync::{Arc, LazyLock};

use firsthop_protocol::Timestamp;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, InconsistentKeys, OtherError};
use rustls_pki_types::UnixTime;

use crate::{Credentials, Endpoint, Error, SetupError, Waiting};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The one crypto provider, named explicitly so that the process needs no default one.
pub fn provider() -> &'static Arc<CryptoProvider> {
    &PROVIDER
}

/// The configuration of connections to an endpoint with these credentials. Roots and key are shared, not parsed again.
pub fn client_config(endpoint: &Endpoint, credentials: &Credentials) -> Result<Arc<ClientConfig>, SetupError> {
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| SetupError::Tls { message: error.to_string() })?
        .with_webpki_verifier(endpoint.roots.verifier.clone())
        .with_client_cert_resolver(credentials.resolver.clone());
    // A resumed session would skip the service's judgement of the certificate, so the service gives no tickets; a cache for them would
    // only cost memory.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Says what a failed read, write or handshake means.
pub fn failure(error: io::Error, endpoint: &Endpoint, waiting: Waiting) -> Error {
    let server = || endpoint.to_string();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => untrusted(reason, endpoint),
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            Error::CertificateRefused { server: server(), alert: format!("{alert:?}") }
        }
        Some(rustls::Error::Other(OtherError(reason))) if reason.is::<SetupError>() => {
            Error::Signing { server: server(), message: reason.to_string() }
        }
        Some(other) => Error::Tls { server: server(), message: other.to_string() },
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::WriteZero => Error::Closed { server: server(), waiting, reason: None },
            _ => Error::Io { server: server(), waiting, source: error },
        },
    }
}

/// The dates come first of what is wrong with a certificate: by a wrong clock, nobody can say more.
fn untrusted(reason: &CertificateError, endpoint: &Endpoint) -> Error {
    let server = endpoint.to_string();
    let at = |time: UnixTime| Timestamp::from_secs(time.as_secs());
    match *reason {
        CertificateError::NotValidYetContext { time, not_before } => {
            Error::ServerNotYetValid { server, not_before: at(not_before), now: at(time) }
        }
        CertificateError::ExpiredContext { time, not_after } => {
            Error::ServerExpired { server, not_after: at(not_after), now: at(time) }
        }
        _ => Error::ServerNotTrusted { server, reason: reason.to_string(), roots: endpoint.roots.origin.to_string() },
    }
}

/// In words, why a certificate and a key cannot be used.
pub fn unusable_key(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key does not belong to the certificate".into()
        }
        other => other.to_string(),
    }
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription::*;
    matches!(
        alert,
        NoCertificate
            | BadCertificate
            | UnsupportedCertificate
            | CertificateRevoked
            | CertificateExpired
            | CertificateUnknown
            | CertificateRequired
            | UnknownCA
            | AccessDenied
            | DecryptError
    )
}
