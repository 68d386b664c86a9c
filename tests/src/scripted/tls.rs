//! The broker's side of TLS: it asks for a certificate of the test's root, and shows one of it.

use std::sync::Arc;

use firsthop_certs::Identity;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;

use super::Greeting;
use crate::Pki;

#[derive(Clone)]
pub(super) struct Tls {
    server: Identity,
    root: CertificateDer<'static>,
}

impl Tls {
    pub fn new(pki: &Pki) -> Self {
        Self { server: pki.server.clone(), root: pki.root.certificate_der().clone() }
    }

    /// What a connection that begins so is met with.
    pub fn acceptor(&self, greeting: &Greeting) -> TlsAcceptor {
        match greeting {
            Greeting::Shows(other) => acceptor(other, &self.root),
            Greeting::Trusts(other) => acceptor(&self.server, other),
            _ => acceptor(&self.server, &self.root),
        }
    }
}

fn acceptor(server: &Identity, clients: &CertificateDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let key = provider.key_provider.load_private_key(server.key.clone_key()).expect("a key that can sign");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        // Unchecked: a test may want a certificate to be shown that a server would not be given.
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(server.chain.clone(), key))));
    config.send_tls13_tickets = 0;
    TlsAcceptor::from(Arc::new(config))
}
