//! Keys in a token: TLS with them, and what is wrong when there is none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use firsthop_agent::keys::CredentialsSource;
use firsthop_agent::{Credentials, Endpoint, Error, Options, SetupError, Waiting, keys};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::pki::{AUTHORITY, Identity, SERVER, write_private};
use crate::softhsm::{self, MODULE, PIN, Token};

/// A device whose key is in a token, and its certificate in a file.
struct Device {
    folder: TempDir,
    token: Token,
    identity: Identity,
}

impl Device {
    fn new(key: KeyPair) -> Self {
        let (token, folder) = (Token::new("gateway"), tempfile::tempdir().unwrap());
        let identity = AUTHORITY.issue_for("Dev-1", key);
        token.import("device", "01", &identity.key_pem);
        fs::write(folder.path().join("device.pem"), &identity.chain_pem).unwrap();
        Self { folder, token, identity }
    }

    fn p256() -> Self {
        Self::new(KeyPair::generate().unwrap())
    }

    fn source(&self, key: &str) -> Arc<dyn CredentialsSource> {
        keys::source(self.folder.path(), Path::new("device.pem"), key).unwrap()
    }

    /// What is wrong with a key of this token.
    fn trouble(&self, which: &str) -> String {
        self.source(&self.token.uri(which)).load().unwrap_err().to_string()
    }
}

/// Connects to a server that speaks one version of TLS, wants a certificate, and hangs up after the handshake. Gives the client's error,
/// and whether the server has seen a certificate.
async fn handshake(credentials: &Credentials, version: &'static SupportedProtocolVersion) -> (Error, bool) {
    handshake_with(credentials, version, aws_lc_rs::default_provider()).await
}

async fn handshake_with(
    credentials: &Credentials,
    version: &'static SupportedProtocolVersion,
    provider: CryptoProvider,
) -> (Error, bool) {
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.certificate.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![SERVER.certificate.clone()], SERVER.key())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port(), AUTHORITY.roots()).unwrap();
    let accepting = async {
        let (socket, _) = listener.accept().await.unwrap();
        let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(socket).await else { return false };
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        stream.get_ref().1.peer_certificates().is_some()
    };
    let (connected, proven) =
        tokio::join!(firsthop_agent::connect(&endpoint, credentials, Options::default()), accepting);
    (connected.unwrap_err(), proven)
}

async fn assert_proven(credentials: &Credentials, version: &'static SupportedProtocolVersion) {
    let (error, proven) = handshake(credentials, version).await;
    assert!(proven, "{error}");
    assert!(matches!(error, Error::Closed { waiting: Waiting::ConnAck, .. } | Error::Io { .. }), "{error:?}");
}

/// Why the handshake could not be finished.
async fn unsigned(credentials: &Credentials) -> String {
    match handshake(credentials, &TLS13).await {
        (Error::Signing { message, .. }, false) => message,
        other => panic!("{other:?}"),
    }
}

async fn proves_itself(key: KeyPair) {
    let device = Device::new(key);
    let source = device.source(&device.token.uri("object=device"));
    let credentials = source.load().unwrap();
    assert_eq!(credentials.registration_id().unwrap().as_str(), "dev-1");
    assert!(!source.changed());
    for version in [&TLS13, &TLS12] {
        assert_proven(&credentials, version).await;
    }
}

#[tokio::test]
async fn a_p256_key_in_a_token_proves_the_device_in_both_versions_of_tls() {
    proves_itself(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).await;
}

#[tokio::test]
async fn a_p384_key_in_a_token_proves_the_device_in_both_versions_of_tls() {
    proves_itself(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()).await;
}

#[tokio::test]
async fn an_rsa_key_in_a_token_proves_the_device_in_both_versions_of_tls() {
    proves_itself(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()).await;
}

#[tokio::test]
async fn an_rsa_key_signs_in_every_way_that_a_server_may_ask_for() {
    use rustls::SignatureScheme::*;
    let device = Device::new(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
    let credentials = device.source(&device.token.uri("object=device")).load().unwrap();
    for (scheme, version) in [
        (RSA_PKCS1_SHA256, &TLS12),
        (RSA_PKCS1_SHA384, &TLS12),
        (RSA_PKCS1_SHA512, &TLS12),
        (RSA_PSS_SHA256, &TLS13),
        (RSA_PSS_SHA384, &TLS13),
        (RSA_PSS_SHA512, &TLS13),
    ] {
        let mut provider = aws_lc_rs::default_provider();
        let mapping = provider.signature_verification_algorithms.mapping.iter().copied();
        provider.signature_verification_algorithms.mapping =
            mapping.filter(|(offered, _)| *offered == scheme).collect::<Vec<_>>().leak();
        let (error, proven) = handshake_with(&credentials, version, provider).await;
        assert!(proven, "{scheme:?}: {error}");
    }
}

#[test]
fn a_key_is_found_by_its_id_and_by_everything_that_the_token_says_of_itself() {
    let device = Device::p256();
    for which in ["id=%01", "object=device;id=%01;type=private", "manufacturer=SoftHSM%20project;model=SoftHSM%20v2"] {
        device.source(&device.token.uri(which)).load().unwrap();
    }
}

#[test]
fn a_key_that_is_not_there_is_answered_with_those_that_are() {
    let device = Device::p256();
    let text = device.trouble("object=other");
    assert!(text.starts_with("pkcs11:token=gateway;object=other: no private key of the token fits"), "{text}");
    assert!(text.ends_with(r#"there is object="device" id=%01"#), "{text}");
}

#[test]
fn of_several_keys_none_is_taken() {
    let device = Device::p256();
    device.token.import("device", "02", &device.identity.key_pem);
    let text = device.trouble("object=device");
    assert!(text.contains("several private keys fit") && text.contains("id=%01") && text.contains("id=%02"), "{text}");
    device.source(&device.token.uri("object=device;id=%02")).load().unwrap();
}

#[test]
fn a_token_that_is_not_there_is_answered_with_those_that_are() {
    let device = Device::p256();
    let text = device.trouble("serial=none");
    assert!(text.contains(r#"no token fits; there is "gateway" (serial ""#), "{text}");
}

#[test]
fn a_key_of_another_certificate_is_called_that() {
    let device = Device::p256();
    device.token.import("other", "02", &AUTHORITY.issue("Dev-2", &[]).key_pem);
    let text = device.trouble("object=other");
    assert!(text.ends_with("the key does not belong to the certificate"), "{text}");
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    device.token.import("rsa", "03", &rsa.serialize_pem());
    let text = device.trouble("object=rsa");
    assert!(text.ends_with("the key is of another kind than the certificate's"), "{text}");
}

#[test]
fn a_wrong_pin_is_tried_once_until_its_file_changes() {
    let device = Device::p256();
    write_private(&device.token.pin, "wrong-pin");
    let source = device.source(&device.token.uri("object=device"));
    let first = source.load().unwrap_err().to_string();
    assert!(first.contains("the token refuses the PIN in"), "{first}");
    // A token that counts would soon be locked.
    let second = source.load().unwrap_err().to_string();
    assert!(second.contains("not tried again until the file changes"), "{second}");
    assert!(!first.contains("wrong-pin") && !second.contains("wrong-pin"));
    assert!(source.changed());
    write_private(&device.token.pin, PIN);
    source.load().unwrap();
}

#[test]
fn a_token_without_a_pin_file_and_one_that_others_may_read_are_refused() {
    let device = Device::p256();
    let uri = format!("pkcs11:token=gateway?module-path={}", MODULE.display());
    let text = device.source(&uri).load().unwrap_err().to_string();
    assert!(text.contains("name the file that holds it with pin-source="), "{text}");
    fs::set_permissions(&device.token.pin, Permissions::from_mode(0o644)).unwrap();
    let error = device.source(&device.token.uri("object=device")).load().unwrap_err();
    assert!(matches!(&error, SetupError::KeyReadableByOthers { path, .. } if *path == device.token.pin), "{error}");
}

#[test]
fn a_module_that_is_none_is_named() {
    let device = Device::p256();
    // A shared library that this process has loaded.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.split_whitespace().find(|word| word.contains("/libc.")).unwrap();
    for (module, words) in [("/no/such/module.so", "cannot be loaded"), (other, "is no PKCS#11 module")] {
        let uri = format!("pkcs11:token=gateway?module-path={module}");
        let error = device.source(&uri).load().unwrap_err();
        assert!(matches!(&error, SetupError::Token { message, .. } if message.contains(words)), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_went_away_is_told_and_its_key_used_again_once_it_is_back() {
    let device = Device::p256();
    let credentials = device.source(&device.token.uri("object=device")).load().unwrap();
    // All sessions and the login are gone, as when a reader was unplugged for a moment.
    softhsm::forget();
    assert_proven(&credentials, &TLS13).await;

    device.token.delete();
    softhsm::forget();
    let text = unsigned(&credentials).await;
    assert!(text.ends_with("no token fits; there is none"), "{text}");

    let token = Token::new("gateway");
    token.import("device", "01", &device.identity.key_pem);
    softhsm::forget();
    assert_proven(&credentials, &TLS13).await;
}

#[tokio::test]
async fn a_token_that_was_replaced_by_one_with_another_key_does_not_sign() {
    let device = Device::p256();
    let credentials = device.source(&device.token.uri("object=device")).load().unwrap();
    device.token.delete();
    Token::new("gateway").import("device", "01", &AUTHORITY.issue("Dev-2", &[]).key_pem);
    softhsm::forget();
    let text = unsigned(&credentials).await;
    assert!(text.ends_with("the key does not belong to the certificate"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handshakes_at_the_same_time_share_the_session() {
    let device = Device::p256();
    let credentials = device.source(&device.token.uri("object=device")).load().unwrap();
    let handshakes: Vec<_> = (0..12)
        .map(|_| {
            let credentials = credentials.clone();
            tokio::spawn(async move { assert_proven(&credentials, &TLS13).await })
        })
        .collect();
    for handshake in handshakes {
        handshake.await.unwrap();
    }
}

#[test]
fn a_uri_that_makes_no_sense_is_refused_before_anything_is_read() {
    let refused = |key: &str| keys::source(Path::new("/"), Path::new("none.pem"), key).unwrap_err();
    for key in ["pkcs11:token=gateway", "PKCS11:tokn=x?module-path=m.so", "pkcs11:?module-path=m.so&pin-value=1"] {
        assert!(matches!(refused(key), SetupError::KeyUri { .. }), "{key}");
    }
}
