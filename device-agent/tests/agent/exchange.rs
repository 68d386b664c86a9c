//! Requests that are answered.

use std::time::Duration;

use firsthop_agent::{Client, Connection, MqttVersion, Options, Request};
use firsthop_protocol::{Answer, ErrorCode, Format, RegisterRequest, RequestId, StatusRequest, codec, topic};

use crate::broker::{Broker, accepted, let_time_pass, pending, rejected};
use crate::pki::{AUTHORITY, DEVICE};

/// Both editions of MQTT with both formats.
fn every_manner() -> impl Iterator<Item = Options> {
    [MqttVersion::V311, MqttVersion::V5]
        .into_iter()
        .flat_map(|mqtt| [Format::Json, Format::Cbor].map(|format| Options { mqtt, format, ..Options::default() }))
}

async fn connect(broker: &Broker, options: Options) -> Connection {
    firsthop_agent::connect(&broker.endpoint(), &DEVICE.credentials(), options).await.unwrap()
}

fn request() -> RegisterRequest {
    serde_json::from_str(r#"{"metadata":{"site":"lisbon"},"wait":3}"#).unwrap()
}

#[tokio::test]
async fn a_registration_is_sent_whole_and_its_answer_comes_back() {
    for options in every_manner() {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            assert_eq!(session.client_id, "dev-1", "the leaf's common name in lower case");
            let filters = session.subscribed().await;
            assert_eq!(
                filters,
                [
                    "$provisioning/register/accepted",
                    "$provisioning/register/rejected",
                    "$provisioning/register/pending"
                ]
            );
            let asked = session.asked().await;
            assert_eq!(asked.topic, "$provisioning/register");
            let body: RegisterRequest = codec::decode(&asked.body, asked.format).unwrap();
            assert_eq!(RegisterRequest { rid: None, ..body }, request());
            session.answer(&asked, &accepted(&asked.rid)).await;
            session.closed().await;
        })
        .await;
        let (mqtt, format) = (options.mqtt, options.format);
        let mut connection = connect(&broker, options).await;
        assert_eq!(connection.version(), mqtt);
        let own = RequestId::parse("mine").unwrap();
        let asked = RegisterRequest { rid: Some(own.clone()), ..request() };
        let reply = connection.ask(Request::Register(&asked)).await.unwrap();
        assert_eq!(reply.answer, accepted(&own));
        assert_eq!((reply.format, &reply.body[..]), (format, &codec::encode(&reply.answer, format)[..]));
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    for options in every_manner() {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            let asked = session.asked().await;
            session.answer(&asked, &rejected(Some(&asked.rid), ErrorCode::NotEnrolled)).await;
            session.closed().await;
        })
        .await;
        let mut connection = connect(&broker, options).await;
        let Answer::Rejected(refusal) = connection.register(&request()).await.unwrap() else { panic!("no refusal") };
        assert_eq!((refusal.status, refusal.error_code), (401, ErrorCode::NotEnrolled.number()));
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn the_final_answer_is_waited_for_past_pending_ones() {
    for options in every_manner() {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            let asked = session.asked().await;
            session.answer(&asked, &pending(&asked.rid)).await;
            session.answer_acknowledged(&asked, &pending(&asked.rid)).await;
            session.answer(&asked, &accepted(&asked.rid)).await;
            session.closed().await;
        })
        .await;
        let mut connection = connect(&broker, options).await;
        assert!(matches!(connection.register(&request()).await.unwrap(), Answer::Accepted(_)));
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn at_the_deadline_the_pending_answer_is_the_answer() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        session.answer_acknowledged(&asked, &pending(&asked.rid)).await;
        let_time_pass().await;
        // Keep-alive is due before the deadline, and the session lives on.
        while session.frame().await[0] == 0xc0 {}
    })
    .await;
    let mut connection = connect(&broker, Options::default()).await;
    assert!(matches!(connection.register(&request()).await.unwrap(), Answer::Pending(_)));
    connection.close().await;
    broker.finished().await;
}

#[tokio::test]
async fn an_answer_to_another_request_is_ignored() {
    for options in every_manner() {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            let stranger = RequestId::parse("somebody else").unwrap();
            let (packet_id, asked) = session.publication().await;
            // Kept from an earlier request: without a rid, or unreadable, before our PUBACK.
            session.answer(&asked, &rejected(None, ErrorCode::Draining)).await;
            session.publish("$provisioning/register/rejected", b"{\"status\":", None).await;
            session.puback(packet_id).await;
            session.answer(&asked, &rejected(Some(&stranger), ErrorCode::Draining)).await;
            session.publish("$provisioning/status/accepted", b"{}", None).await;
            session.publish("foreign/topic", b"?", None).await;
            session.answer(&asked, &accepted(&asked.rid)).await;
            session.closed().await;
        })
        .await;
        let mut connection = connect(&broker, options).await;
        assert!(matches!(connection.register(&request()).await.unwrap(), Answer::Accepted(_)));
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn a_refusal_without_rid_after_the_acknowledgement_is_ours() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        session.answer(&asked, &rejected(None, ErrorCode::MalformedBody)).await;
        session.closed().await;
    })
    .await;
    let mut connection = connect(&broker, Options::default()).await;
    assert_eq!(connection.register(&request()).await.unwrap(), rejected(None, ErrorCode::MalformedBody));
    connection.close().await;
    broker.finished().await;
}

#[tokio::test]
async fn several_requests_share_a_connection_and_subscribe_once() {
    for options in every_manner() {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            let mut rids = Vec::new();
            for _ in 0..2 {
                let asked = session.asked().await;
                session.answer(&asked, &accepted(&asked.rid)).await;
                rids.push(asked.rid);
            }
            assert_ne!(rids[0], rids[1], "each request has a name of its own");
            assert!(session.subscribed().await.iter().all(|filter| filter.starts_with("$provisioning/status/")));
            let asked = session.asked().await;
            assert_eq!(asked.request, topic::Request::Status);
            session.answer(&asked, &rejected(Some(&asked.rid), ErrorCode::NotRegistered)).await;
            session.closed().await;
        })
        .await;
        let mut connection = connect(&broker, options).await;
        for _ in 0..2 {
            assert_eq!(connection.register(&request()).await.unwrap().status(), 200);
        }
        assert_eq!(connection.status(&StatusRequest::default()).await.unwrap().status(), 404);
        connection.close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn a_ping_is_echoed() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        assert_eq!(&session.frame().await[..], b"\xc0\x00");
        session.send(b"\xd0\x00").await;
        session.closed().await;
    })
    .await;
    let mut connection = connect(&broker, Options::default()).await;
    connection.ping().await.unwrap();
    connection.close().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_long_wait_is_kept_alive_at_the_pace_that_the_server_wants() {
    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        // CONNACK with Server Keep Alive 20.
        session.send(b"\x20\x06\x00\x00\x03\x13\x00\x14").await;
        session.subscribed().await;
        let asked = session.asked().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(21)).await;
        assert_eq!(&session.frame().await[..], b"\xc0\x00");
        tokio::time::resume();
        session.send(b"\xd0\x00").await;
        session.answer(&asked, &accepted(&asked.rid)).await;
        session.closed().await;
    })
    .await;
    let mut connection = connect(&broker, Options { timeout: Duration::from_secs(3600), ..Options::default() }).await;
    assert_eq!(connection.register(&request()).await.unwrap().status(), 200);
    connection.close().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_request_given_up_half_way_does_not_disturb_the_next() {
    let (arrived, has_arrived) = tokio::sync::oneshot::channel();
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let given_up = session.asked().await;
        arrived.send(()).unwrap();
        let asked = session.asked().await;
        session.answer(&given_up, &rejected(Some(&given_up.rid), ErrorCode::Internal)).await;
        session.answer(&asked, &accepted(&asked.rid)).await;
        session.closed().await;
    })
    .await;
    let mut connection = connect(&broker, Options::default()).await;
    let given_up = request();
    tokio::select! {
        answer = connection.register(&given_up) => panic!("{answer:?}"),
        arrived = has_arrived => arrived.unwrap(),
    }
    // On another task, which a connection may move to.
    let connection = tokio::spawn(async move {
        assert_eq!(connection.register(&request()).await.unwrap().status(), 200);
        connection
    });
    connection.await.unwrap().close().await;
    broker.finished().await;
}

#[tokio::test]
async fn a_client_connects_again_and_again_by_explicit_calls_only() {
    let credentials = DEVICE.credentials();
    assert_eq!(credentials.registration_id().unwrap().as_str(), "dev-1");
    for _ in 0..2 {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.closed().await;
        })
        .await;
        let client = Client::new(&broker.endpoint(), &credentials, Options::default()).unwrap();
        client.connect().await.unwrap().close().await;
        broker.finished().await;
    }
}

#[tokio::test]
async fn a_certificate_without_a_registration_id_leaves_the_client_id_to_the_server() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        assert_eq!(session.client_id, "");
        session.closed().await;
    })
    .await;
    let credentials = AUTHORITY.issue("not/an/id", &[]).credentials();
    assert_eq!(credentials.registration_id(), None);
    firsthop_agent::connect(&broker.endpoint(), &credentials, Options::default()).await.unwrap().close().await;
    broker.finished().await;
}
