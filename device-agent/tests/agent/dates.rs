//! Servers whose certificate is not valid by this machine's clock.

use std::sync::Arc;

use firsthop_agent::{Endpoint, Error, Options};
use firsthop_protocol::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::pki::{AUTHORITY, DEVICE, Identity};

/// The error of a connection to a server that presents this.
async fn refused(server: Identity) -> Error {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.certificate.clone()], server.key())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port(), AUTHORITY.roots()).unwrap();
    let accepting = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        assert!(TlsAcceptor::from(Arc::new(config)).accept(socket).await.is_err());
    });
    let error = firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap_err();
    accepting.await.unwrap();
    error
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_told_with_both_times() {
    let before = Timestamp::now();
    let error = refused(AUTHORITY.issue_dated("server", &["127.0.0.1"], 2400..2500)).await;
    let Error::ServerNotYetValid { not_before, now, .. } = &error else { panic!("{error:?}") };
    assert_eq!(not_before.to_string(), "2400-01-01T00:00:00.0000000Z");
    assert!(now.secs() >= before.secs() && *now <= Timestamp::now(), "{now}");
    let text = error.to_string();
    assert!(text.contains("is not valid before 2400-01-01T00:00:00.0000000Z"), "{text}");
    assert!(text.contains("set the time"), "{text}");
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_both_times() {
    let error = refused(AUTHORITY.issue_dated("server", &["127.0.0.1"], 2000..2001)).await;
    let Error::ServerExpired { not_after, .. } = &error else { panic!("{error:?}") };
    assert_eq!(not_after.to_string(), "2001-01-01T00:00:00.0000000Z");
    assert!(error.to_string().contains("the server needs a new one"), "{error}");
}
