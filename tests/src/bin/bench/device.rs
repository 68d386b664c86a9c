//! Devices of the load: a certificate each, made before anything is measured, and what they do on a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::mqtt::{self, kind};

pub const REGISTER: &str = "$provisioning/register";
pub const STATUS: &str = "$provisioning/status";
const REGISTER_RESPONSE: &str = "$provisioning/register/response";
const STATUS_RESPONSE: &str = "$provisioning/status/response";

/// A device with its certificate.
#[derive(Clone)]
pub struct Device {
    pub id: Arc<str>,
    pub config: Arc<ClientConfig>,
}

impl Device {
    pub fn new(identity: firsthop_certs::Identity, id: &str, server: &CertificateDer<'static>) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pinned = Pinned { server: server.clone(), provider: provider.clone() };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_client_auth_cert(identity.chain, identity.key)?;
        config.resumption = Resumption::disabled();
        Ok(Self { id: id.into(), config: Arc::new(config) })
    }

    async fn secure(&self, address: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.context("TCP")?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        Box::pin(TlsConnector::from(self.config.clone()).connect(name, stream)).await.context("TLS handshake")
    }

    /// A handshake and nothing else; returns when the server has closed the connection, which it does when the handshake
    /// is complete on its side, too.
    pub async fn shake_hands(&self, address: SocketAddr) -> anyhow::Result<()> {
        let mut stream = self.secure(address).await?;
        let mut rest = [0; 64];
        while stream.read(&mut rest).await.context("waiting for the end")? > 0 {}
        Ok(())
    }

    /// TLS version, cipher suite and key exchange that come out of a handshake.
    pub async fn negotiate(&self, address: SocketAddr) -> anyhow::Result<String> {
        let stream = self.secure(address).await?;
        let connection = stream.get_ref().1;
        let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("?");
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let group = connection.negotiated_key_exchange_group().map(|group| group.name());
        Ok(format!("{version} {:?} {:?}", suite, group).replace("Some(", "").replace(')', ""))
    }
}

/// Accepts one certificate without checking a signature: the server proves nothing here, and the client shall be cheap.
struct Pinned {
    server: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pinned")
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.server {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another server answers on this port".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How a device goes about its first registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Waits for each answer before the next packet, as client libraries do.
    StepByStep,
    /// Sends CONNECT, SUBSCRIBE and PUBLISH in one write.
    AllAtOnce,
}

/// An MQTT connection of a device.
pub struct Session {
    stream: TlsStream<TcpStream>,
    input: Vec<u8>,
    /// Bytes of `input` that were read already.
    read: usize,
}

impl Session {
    async fn over(device: &Device, address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { stream: device.secure(address).await?, input: Vec::new(), read: 0 })
    }

    /// Connects and subscribes to the device's answers.
    pub async fn open(device: &Device, address: SocketAddr) -> anyhow::Result<Self> {
        Self::open_with(device, address, &[REGISTER_RESPONSE, STATUS_RESPONSE]).await
    }

    pub async fn open_with(device: &Device, address: SocketAddr, filters: &[&str]) -> anyhow::Result<Self> {
        let mut session = Self::over(device, address).await?;
        session.connect(device).await?;
        session.subscribe(filters).await?;
        Ok(session)
    }

    async fn connect(&mut self, device: &Device) -> anyhow::Result<()> {
        self.send(&mqtt::connect(&device.id)).await?;
        self.expect_connack().await
    }

    async fn subscribe(&mut self, filters: &[&str]) -> anyhow::Result<()> {
        self.send(&mqtt::subscribe(filters, 0)).await?;
        self.expect_suback(filters.len(), 0).await
    }

    async fn expect_connack(&mut self) -> anyhow::Result<()> {
        match self.packet().await? {
            (kind::CONNACK, [_, 0, ..]) => Ok(()),
            (kind, body) => bail!("no CONNACK of success but {kind}: {body:02x?}"),
        }
    }

    async fn expect_suback(&mut self, filters: usize, qos: u8) -> anyhow::Result<()> {
        match self.packet().await? {
            (kind::SUBACK, body) if body.ends_with(&vec![qos; filters]) => Ok(()),
            (kind, body) => bail!("no SUBACK of success but {kind}: {body:02x?}"),
        }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, topic: &str, body: &[u8]) -> anyhow::Result<()> {
        self.send(&mqtt::publish(topic, None, body)).await?;
        self.answer().await
    }

    /// Patches the reported properties on a hub, and waits until that is acknowledged.
    pub async fn report(&mut self, number: usize) -> anyhow::Result<()> {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
        let body = format!(r#"{{"count":{number},"state":"running"}}"#);
        self.send(&mqtt::publish(&topic, None, body.as_bytes())).await?;
        match self.packet().await? {
            (kind::PUBLISH, body) if holds(body, b"$iothub/twin/res/204/") => Ok(()),
            (kind, body) => bail!("no acknowledged patch but {kind}: {}", String::from_utf8_lossy(body)),
        }
    }

    /// Connects as device SDKs do: Nagle's algorithm stays on, and answers are subscribed to at QoS 1.
    pub async fn open_as_sdk(device: &Device, address: SocketAddr, filters: &[&str]) -> anyhow::Result<Self> {
        let mut session = Self::over(device, address).await?;
        session.stream.get_ref().0.set_nodelay(false)?;
        session.connect(device).await?;
        session.send(&mqtt::subscribe(filters, 1)).await?;
        session.expect_suback(filters.len(), 1).await?;
        Ok(session)
    }

    /// Patches the reported properties as device SDKs do: at QoS 1, and the answer is acknowledged. Two small writes follow each other, of
    /// which the second waits until the first is acknowledged by TCP.
    pub async fn report_as_sdk(&mut self, number: usize) -> anyhow::Result<()> {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
        let body = format!(r#"{{"count":{number}}}"#);
        self.send(&mqtt::publish(&topic, Some(7), body.as_bytes())).await?;
        loop {
            let acknowledgement = match self.packet().await? {
                (kind::PUBACK, _) => continue,
                (kind::PUBLISH, body) if holds(body, b"$iothub/twin/res/204/") => mqtt::puback(body),
                (kind, body) => bail!("no acknowledged patch but {kind}: {}", String::from_utf8_lossy(body)),
            };
            return self.send(&acknowledgement.context("an answer of QoS 1")?).await;
        }
    }

    /// Waits for a change of the desired properties.
    pub async fn desired(&mut self) -> anyhow::Result<()> {
        match self.packet().await? {
            (kind::PUBLISH, body) if holds(body, b"$iothub/twin/PATCH/properties/desired/") => Ok(()),
            (kind, body) => bail!("no desired change but {kind}: {}", String::from_utf8_lossy(body)),
        }
    }

    /// Publishes to a topic that the session subscribes to itself, and waits for the message to come back.
    pub async fn echo(&mut self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        self.send(&mqtt::publish(topic, None, payload)).await?;
        match self.packet().await? {
            (kind::PUBLISH, _) => Ok(()),
            (kind, body) => bail!("no echo but {kind}: {body:02x?}"),
        }
    }

    async fn answer(&mut self) -> anyhow::Result<()> {
        loop {
            match self.packet().await? {
                (kind::PUBACK, _) => {}
                (kind::PUBLISH, body) if holds(body, br#""status":200"#) && holds(body, b"assignedHub") => {
                    return Ok(());
                }
                (kind, body) => bail!("no accepted answer but {kind}: {}", String::from_utf8_lossy(body)),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await.context("sending")?;
        self.stream.flush().await.context("sending")
    }

    /// The next packet: its type and what follows the fixed header.
    async fn packet(&mut self) -> anyhow::Result<(u8, &[u8])> {
        self.input.drain(..self.read);
        self.read = 0;
        loop {
            if let Some((end, body)) = mqtt::header(&self.input)?
                && self.input.len() >= end
            {
                self.read = end;
                return Ok((self.input[0] >> 4, &self.input[body..end]));
            }
            if self.stream.read_buf(&mut self.input).await.context("waiting for an answer")? == 0 {
                bail!("the server closed the connection instead of answering");
            }
        }
    }

    /// Leaves as a device does.
    pub async fn leave(mut self) -> anyhow::Result<()> {
        self.send(mqtt::DISCONNECT).await?;
        // The server may have closed already.
        let _ = self.stream.shutdown().await;
        Ok(())
    }
}

/// A device's whole first registration: connection, session, request, answer. Returns what still has to be closed.
pub async fn register(device: &Device, address: SocketAddr, manner: Manner) -> anyhow::Result<Session> {
    let mut session = Session::over(device, address).await?;
    let publish = mqtt::publish(REGISTER, Some(2), b"{}");
    match manner {
        Manner::StepByStep => {
            session.connect(device).await?;
            session.subscribe(&[REGISTER_RESPONSE]).await?;
            session.send(&publish).await?;
        }
        Manner::AllAtOnce => {
            let all = [mqtt::connect(&device.id), mqtt::subscribe(&[REGISTER_RESPONSE], 0), publish].concat();
            session.send(&all).await?;
            session.expect_connack().await?;
            session.expect_suback(1, 0).await?;
        }
    }
    session.answer().await?;
    Ok(session)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
