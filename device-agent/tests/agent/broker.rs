//! A broker for one connection that does what a test's script says.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use firsthop_agent::{Endpoint, MqttVersion};
use firsthop_protocol::body::{EnrollmentName, RegistrationStatus, Substatus};
use firsthop_protocol::topic::{self, Suffix};
use firsthop_protocol::{
    Accepted, Answer, DeviceId, ETag, ErrorCode, Format, GroupId, OperationId, Pending, RegisterRequest,
    RegistrationId, Rejected, RequestId, StatusRequest, Timestamp, TrackingId, codec,
};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::pki::{AUTHORITY, Authority, SERVER};

pub struct Broker {
    pub port: u16,
    script: JoinHandle<()>,
}

/// The broker's side of a connection.
pub struct Session {
    stream: TlsStream<TcpStream>,
    incoming: BytesMut,
    pub version: MqttVersion,
    pub client_id: String,
}

/// A request that the broker has read and acknowledged.
pub struct Asked {
    pub topic: String,
    pub request: topic::Request,
    pub body: Vec<u8>,
    pub format: Format,
    pub rid: RequestId,
}

impl Broker {
    pub async fn start<S, F>(script: S) -> Self
    where
        S: FnOnce(Session) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::trusting(&AUTHORITY, script).await
    }

    /// A broker that accepts client certificates of one authority only.
    pub async fn trusting<S, F>(clients: &Authority, script: S) -> Self
    where
        S: FnOnce(Session) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = acceptor(clients);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            // A refused handshake is the client's to report.
            let Ok(stream) = acceptor.accept(socket).await else { return };
            script(Session { stream, incoming: BytesMut::new(), version: MqttVersion::V5, client_id: String::new() })
                .await;
        });
        Self { port, script }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.port, AUTHORITY.roots()).unwrap()
    }

    /// Waits for the script's end; what it asserted counts.
    pub async fn finished(self) {
        self.script.await.unwrap();
    }
}

impl Session {
    /// Reads CONNECT and accepts it.
    pub async fn welcome(&mut self) {
        self.connect().await;
        match self.version {
            MqttVersion::V311 => self.send(b"\x20\x02\x00\x00").await,
            MqttVersion::V5 => self.send(b"\x20\x03\x00\x00\x00").await,
        }
    }

    pub async fn connect(&mut self) {
        let mut frame = self.frame().await;
        // Header of two bytes, the name with its length, the level.
        assert_eq!(&frame[2..8], b"\x00\x04MQTT");
        if frame[8] == 5 {
            self.version = MqttVersion::V5;
            let Ok(v5::Packet::Connect(connect, None, _)) = v5::Packet::read(&mut frame, None) else {
                panic!("no CONNECT")
            };
            assert!(connect.clean_start);
            self.client_id = connect.client_id;
        } else {
            self.version = MqttVersion::V311;
            let Ok(v4::Packet::Connect(connect)) = v4::Packet::read(&mut frame, usize::MAX) else {
                panic!("no CONNECT")
            };
            assert!(connect.clean_session);
            self.client_id = connect.client_id;
        }
    }

    /// Reads SUBSCRIBE and grants it; gives the filters.
    pub async fn subscribed(&mut self) -> Vec<String> {
        let (packet_id, filters) = self.subscribe().await;
        self.suback(packet_id, &vec![0; filters.len()]).await;
        filters
    }

    pub async fn subscribe(&mut self) -> (u16, Vec<String>) {
        let mut frame = self.frame().await;
        match self.version {
            MqttVersion::V311 => match v4::Packet::read(&mut frame, usize::MAX).unwrap() {
                v4::Packet::Subscribe(it) => (it.pkid, it.filters.into_iter().map(|filter| filter.path).collect()),
                other => panic!("{other:?} is no SUBSCRIBE"),
            },
            MqttVersion::V5 => match v5::Packet::read(&mut frame, None).unwrap() {
                v5::Packet::Subscribe(it) => (it.pkid, it.filters.into_iter().map(|filter| filter.path).collect()),
                other => panic!("{other:?} is no SUBSCRIBE"),
            },
        }
    }

    pub async fn suback(&mut self, packet_id: u16, codes: &[u8]) {
        let mut frame = packet_id.to_be_bytes().to_vec();
        if self.version == MqttVersion::V5 {
            frame.push(0);
        }
        frame.extend(codes);
        frame.splice(0..0, [0x90, u8::try_from(frame.len()).unwrap()]);
        self.send(&frame).await;
    }

    /// Reads a request and acknowledges it.
    pub async fn asked(&mut self) -> Asked {
        let (packet_id, asked) = self.publication().await;
        self.puback(packet_id).await;
        asked
    }

    pub async fn publication(&mut self) -> (u16, Asked) {
        let mut frame = self.frame().await;
        let (packet_id, topic, content_type, body) = match self.version {
            MqttVersion::V311 => match v4::Packet::read(&mut frame, usize::MAX).unwrap() {
                v4::Packet::Publish(it) => (it.pkid, it.topic, None, it.payload),
                other => panic!("{other:?} is no PUBLISH"),
            },
            MqttVersion::V5 => match v5::Packet::read(&mut frame, None).unwrap() {
                v5::Packet::Publish(it) => {
                    let content_type = it.properties.and_then(|it| it.content_type).expect("a content type");
                    (it.pkid, String::from_utf8(it.topic.into()).unwrap(), Some(content_type), it.payload)
                }
                other => panic!("{other:?} is no PUBLISH"),
            },
        };
        assert_ne!(packet_id, 0, "requests have QoS 1");
        let format = Format::sniff(&body).unwrap();
        if let Some(content_type) = content_type {
            assert_eq!(Format::from_content_type(&content_type), Some(format));
        }
        let (request, None) = topic::Request::parse(&topic).unwrap() else { panic!("{topic}") };
        let rid = match request {
            topic::Request::Register => codec::decode::<RegisterRequest>(&body, format).unwrap().rid,
            topic::Request::Status => codec::decode::<StatusRequest>(&body, format).unwrap().rid,
        };
        (packet_id, Asked { topic, request, format, rid: rid.expect("a rid"), body: body.to_vec() })
    }

    pub async fn puback(&mut self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        self.send(&[0x40, 2, high, low]).await;
    }

    /// Sends an answer on its topic, in the format of the request.
    pub async fn answer(&mut self, asked: &Asked, answer: &Answer) {
        let suffix = match answer {
            Answer::Accepted(_) => Suffix::Accepted,
            Answer::Pending(_) => Suffix::Pending,
            Answer::Rejected(_) => Suffix::Rejected,
        };
        self.publish(topic::answer(asked.request, suffix), &codec::encode(answer, asked.format), None).await;
    }

    /// The same with QoS 1; waits until the client has acknowledged it.
    pub async fn answer_acknowledged(&mut self, asked: &Asked, answer: &Answer) {
        let Answer::Pending(_) = answer else { panic!("for pending answers") };
        self.publish(topic::answer(asked.request, Suffix::Pending), &codec::encode(answer, asked.format), Some(0x1234))
            .await;
        assert_eq!(&self.frame().await[..], b"\x40\x02\x12\x34");
    }

    pub async fn publish(&mut self, topic: &str, body: &[u8], packet_id: Option<u16>) {
        let mut into = BytesMut::new();
        match self.version {
            MqttVersion::V311 => {
                let qos = if packet_id.is_some() { rumqttc::QoS::AtLeastOnce } else { rumqttc::QoS::AtMostOnce };
                let publish = v4::Publish { pkid: packet_id.unwrap_or(0), ..v4::Publish::new(topic, qos, body) };
                v4::Packet::Publish(publish).write(&mut into, usize::MAX).unwrap();
            }
            MqttVersion::V5 => {
                use rumqttc::v5::mqttbytes::QoS;
                let qos = if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let publish =
                    v5::Publish { pkid: packet_id.unwrap_or(0), ..v5::Publish::new(topic, qos, body.to_vec(), None) };
                v5::Packet::Publish(publish).write(&mut into, None).unwrap();
            }
        }
        self.send(&into).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Expects the client's good-bye.
    pub async fn closed(mut self) {
        assert_eq!(&self.frame().await[..], b"\xe0\x00");
        assert_eq!(self.stream.read(&mut [0]).await.unwrap(), 0);
    }

    /// Ends TLS and the connection in order.
    pub async fn hang_up(mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// One whole packet.
    pub async fn frame(&mut self) -> BytesMut {
        loop {
            if let Some(length) = frame_length(&self.incoming)
                && self.incoming.remaining() >= length
            {
                return self.incoming.split_to(length);
            }
            assert_ne!(self.stream.read_buf(&mut self.incoming).await.unwrap(), 0, "the client hung up");
        }
    }
}

/// Moves the stopped clock past every time-out of the client.
pub async fn let_time_pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
}

pub fn accepted(rid: &RequestId) -> Answer {
    Answer::Accepted(Box::new(Accepted {
        status: 200,
        state: RegistrationStatus::Assigned,
        substatus: Some(Substatus::InitialAssignment),
        step: None,
        registration_id: RegistrationId::parse("dev-1").unwrap(),
        device_id: DeviceId::parse("dev-1").unwrap(),
        assigned_hub: Some("lisbon.example:8884".into()),
        operation_id: Some(OperationId::from_bytes([1; 16])),
        etag: ETag::new(9),
        created: Timestamp::from_secs(1),
        last_updated: Timestamp::from_secs(2),
        enrollment: EnrollmentName::Group(GroupId::parse("line-7").unwrap()),
        payload: None,
        resources: None,
        error_code: None,
        error_message: None,
        candidates: None,
        rid: Some(rid.clone()),
    }))
}

pub fn pending(rid: &RequestId) -> Answer {
    Answer::Pending(Pending {
        status: 202,
        state: RegistrationStatus::Assigning,
        step: "copy".into(),
        operation_id: OperationId::from_bytes([1; 16]),
        retry_after: 2,
        rid: Some(rid.clone()),
    })
}

pub fn rejected(rid: Option<&RequestId>, code: ErrorCode) -> Answer {
    Answer::Rejected(Rejected {
        status: code.status(),
        error_code: code.number(),
        message: "no enrollment accepts these credentials".into(),
        action: code.action(),
        retry_after: (code.status() == 429).then_some(30),
        tracking_id: TrackingId::from_bytes([7; 16]),
        candidates: None,
        rid: rid.cloned(),
    })
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            return Some(at + 1 + length);
        }
    }
    None
}

fn acceptor(clients: &Authority) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![SERVER.certificate.clone()], SERVER.key())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
