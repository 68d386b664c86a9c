//! Connections and requests that fail, and how the error says what.

use std::os::unix::fs::PermissionsExt;

use firsthop_agent::{
    Connection, Credentials, Endpoint, Error, MqttVersion, Options, SetupError, TrustedRoots, Waiting,
};
use firsthop_protocol::RegisterRequest;
use tokio::net::TcpListener;

use crate::broker::{Broker, Session, let_time_pass};
use crate::pki::{AUTHORITY, Authority, DEVICE};

async fn connect(broker: &Broker, mqtt: MqttVersion) -> Result<Connection, Error> {
    firsthop_agent::connect(&broker.endpoint(), &DEVICE.credentials(), Options { mqtt, ..Options::default() }).await
}

/// The error of a registration against a broker that goes on as the script says after SUBSCRIBE.
async fn register<S, F>(mqtt: MqttVersion, script: S) -> Error
where
    S: FnOnce(Session) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        script(session).await;
    })
    .await;
    let error = connect(&broker, mqtt).await.unwrap().register(&RegisterRequest::default()).await.unwrap_err();
    broker.finished().await;
    error
}

#[tokio::test]
async fn a_refused_connect_names_the_reason_in_3_1_1() {
    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        session.send(b"\x20\x02\x00\x05").await;
    })
    .await;
    let error = connect(&broker, MqttVersion::V311).await.unwrap_err();
    let Error::ConnectionRefused { reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(reason.code, 5);
    assert!(error.to_string().ends_with("refused the MQTT 3.1.1 connection: not authorized (0x05)"), "{error}");
    broker.finished().await;
}

#[tokio::test]
async fn a_refused_connect_names_the_reason_and_the_servers_words_in_mqtt_5() {
    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        session.send(b"\x20\x09\x00\x89\x06\x1f\x00\x03n\x1bw").await;
    })
    .await;
    let error = connect(&broker, MqttVersion::V5).await.unwrap_err();
    assert!(matches!(&error, Error::ConnectionRefused { reason, .. } if reason.code == 0x89));
    // The escape character does not reach a terminal.
    assert!(error.to_string().ends_with("server busy (0x89), \"nw\""), "{error}");
    broker.finished().await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted_and_the_roots_are_named() {
    let broker = Broker::start(|_| async {}).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("other.pem");
    std::fs::write(&roots, Authority::new("Other root").certificate.pem()).unwrap();
    let endpoint = Endpoint::new("127.0.0.1", broker.port, TrustedRoots::from_pem_file(&roots).unwrap()).unwrap();
    let error = firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap_err();
    let Error::ServerNotTrusted { roots: named, .. } = &error else { panic!("{error:?}") };
    assert_eq!(named, &roots.display().to_string());
}

#[tokio::test]
async fn a_server_with_a_certificate_for_another_name_is_not_trusted() {
    let broker = Broker::start(|_| async {}).await;
    let endpoint = broker.endpoint().with_server_name("provisioning.example").unwrap();
    let error = firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::ServerNotTrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_name_other_than_the_host_is_asked_for() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.closed().await;
    })
    .await;
    let endpoint = broker.endpoint().with_server_name("localhost").unwrap();
    firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap().close().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_server_that_refuses_our_certificate_is_told_from_one_that_hangs_up() {
    let broker = Broker::trusting(&Authority::new("Other root"), |_| async { panic!("the handshake must fail") }).await;
    let error = connect(&broker, MqttVersion::V5).await.unwrap_err();
    assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
    broker.finished().await;
}

#[tokio::test]
async fn a_connection_closed_in_the_middle_says_what_was_waited_for() {
    for mqtt in [MqttVersion::V311, MqttVersion::V5] {
        let error = register(mqtt, |mut session| async move {
            session.asked().await;
            session.hang_up().await;
        })
        .await;
        assert!(matches!(error, Error::Closed { waiting: Waiting::Answer, reason: None, .. }), "{error:?}");
        // Without the end of TLS, as when a process is killed.
        let error = register(mqtt, |mut session| async move {
            session.asked().await;
        })
        .await;
        assert!(matches!(error, Error::Closed { waiting: Waiting::Answer, reason: None, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_reason_of_a_disconnect_is_told() {
    let error = register(MqttVersion::V5, |mut session| async move {
        session.asked().await;
        session.send(b"\xe0\x01\x8b").await;
    })
    .await;
    assert!(error.to_string().ends_with("while we waited for the answer: server shutting down (0x8B)"), "{error}");
}

#[tokio::test]
async fn a_refused_subscription_names_the_filter() {
    for (mqtt, code, meaning) in
        [(MqttVersion::V311, 0x80, "failure (0x80)"), (MqttVersion::V5, 0x87, "not authorized (0x87)")]
    {
        let broker = Broker::start(move |mut session| async move {
            session.welcome().await;
            let (packet_id, _) = session.subscribe().await;
            session.suback(packet_id, &[0, code, 0]).await;
            session.closed().await;
        })
        .await;
        let mut connection = connect(&broker, mqtt).await.unwrap();
        let error = connection.register(&RegisterRequest::default()).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("$provisioning/register/rejected: {meaning}")), "{error}");
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn a_publication_that_nobody_answers_is_refused() {
    let error = register(MqttVersion::V5, |mut session| async move {
        let (packet_id, _) = session.publication().await;
        let [high, low] = packet_id.to_be_bytes();
        session.send(&[0x40, 3, high, low, 0x10]).await;
    })
    .await;
    assert!(matches!(&error, Error::PublicationRefused { reason, .. } if reason.code == 0x10), "{error:?}");
}

#[tokio::test]
async fn a_malformed_answer_names_topic_and_field() {
    let error = register(MqttVersion::V5, |mut session| async move {
        let asked = session.asked().await;
        session.publish("$provisioning/register/pending", br#"{"status":"soon"}"#, None).await;
        drop(asked);
    })
    .await;
    let Error::MalformedAnswer { topic, source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*topic, "$provisioning/register/pending");
    assert!(source.to_string().starts_with("status: "), "{source}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_mqtt_is_called_that() {
    let error = register(MqttVersion::V5, |mut session| async move {
        session.asked().await;
        session.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_over_the_limit_is_not_sent() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.closed().await;
    })
    .await;
    let mut connection = connect(&broker, MqttVersion::V5).await.unwrap();
    let request = RegisterRequest { model: Some("m".repeat(20_000)), ..RegisterRequest::default() };
    assert!(matches!(connection.register(&request).await, Err(Error::RequestTooLarge { .. })));
    connection.close().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_time_out_names_what_was_waited_for() {
    for mqtt in [MqttVersion::V311, MqttVersion::V5] {
        let broker = Broker::start(|mut session| async move {
            session.connect().await;
            let_time_pass().await;
            std::future::pending::<()>().await;
        })
        .await;
        let error = connect(&broker, mqtt).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { waiting: Waiting::ConnAck, .. }), "{error:?}");
        tokio::time::resume();

        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            session.asked().await;
            let_time_pass().await;
            std::future::pending::<()>().await;
        })
        .await;
        let error = connect(&broker, mqtt).await.unwrap().register(&RegisterRequest::default()).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { waiting: Waiting::Answer, .. }), "{error:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_times_out_in_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port(), AUTHORITY.roots()).unwrap();
    let silent = tokio::spawn(async move {
        let accepted = listener.accept().await.unwrap();
        let_time_pass().await;
        std::future::pending::<()>().await;
        drop(accepted);
    });
    let error = firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { waiting: Waiting::TlsHandshake, .. }), "{error:?}");
    silent.abort();
}

#[tokio::test]
async fn a_closed_port_is_a_failure_to_connect() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let endpoint = Endpoint::new("127.0.0.1", port, AUTHORITY.roots()).unwrap();
    let error = firsthop_agent::connect(&endpoint, &DEVICE.credentials(), Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
}

#[test]
fn a_key_that_others_may_read_is_refused_with_file_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("dev.pem"), folder.path().join("dev.key"));
    std::fs::write(&chain, &DEVICE.chain_pem).unwrap();
    std::fs::write(&key, &DEVICE.key_pem).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = Credentials::from_pem_files(&chain, &key).unwrap_err().to_string();
        assert!(error.contains(&format!("{} has mode {mode:04o}", key.display())), "{error}");
    }
    for mode in [0o600, 0o400] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(Credentials::from_pem_files(&chain, &key).is_ok());
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let other = AUTHORITY.issue("dev-2", &[]);
    let error = Credentials::from_der(vec![DEVICE.certificate.clone()], other.key()).unwrap_err();
    assert!(error.to_string().contains("does not belong to the certificate"), "{error}");
}

#[test]
fn files_without_certificate_or_key_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    std::fs::write(&empty, "").unwrap();
    std::fs::set_permissions(&empty, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(TrustedRoots::from_pem_file(&empty), Err(SetupError::NoCertificate { path }) if path == empty));
    assert!(
        matches!(TrustedRoots::from_pem_file(&missing), Err(SetupError::Unreadable { path, .. }) if path == missing)
    );
    let chain = folder.path().join("dev.pem");
    std::fs::write(&chain, &DEVICE.chain_pem).unwrap();
    assert!(
        matches!(Credentials::from_pem_files(&chain, &empty), Err(SetupError::NoPrivateKey { path }) if path == empty)
    );
}

#[test]
fn no_key_is_shown_by_debug() {
    let text = format!("{:?}", DEVICE.credentials());
    assert_eq!(text, r#"Credentials { registration_id: Some("dev-1"), .. }"#);
}
