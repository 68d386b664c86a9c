//! A client that says exactly what a test wants it to say: MQTT bytes over rustls.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use firsthop_certs::{Authority, Identity};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::Value;

use crate::packet::{self, Connect};
use crate::{Message, PATIENCE, Packet, Pki, REGISTER, REGISTER_RESPONSE, STATUS, STATUS_RESPONSE, Service, Version};

/// How to connect.
#[derive(Clone)]
pub struct Dial {
    address: SocketAddr,
    roots: Arc<RootCertStore>,
    identity: Option<Identity>,
    server_name: &'static str,
    pub version: Version,
    pub connect: Connect,
    tls: Vec<&'static SupportedProtocolVersion>,
    provider: Arc<CryptoProvider>,
    resumption: Option<Resumption>,
}

impl Dial {
    /// MQTT 5 without a certificate and with an empty client id.
    pub fn stranger(service: &Service, pki: &Pki) -> Self {
        Self {
            address: service.address(),
            roots: roots(&pki.root),
            identity: None,
            server_name: "localhost",
            version: Version::V5,
            connect: Connect { client_id: String::new(), user_name: None, keep_alive: 60, will: None, clean: true },
            tls: vec![&rustls::version::TLS12, &rustls::version::TLS13],
            provider: Arc::new(aws_lc_rs::default_provider()),
            resumption: None,
        }
    }

    /// The same as a device.
    pub fn new(service: &Service, pki: &Pki, identity: &Identity) -> Self {
        Self { identity: Some(identity.clone()), ..Self::stranger(service, pki) }
    }

    /// The same at another place: a hub.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A session that outlives its connection.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.connect.clean = false;
        self
    }

    /// The TLS server name; `localhost` otherwise.
    #[must_use]
    pub fn server_name(mut self, name: &'static str) -> Self {
        self.server_name = name;
        self
    }

    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    #[must_use]
    pub fn client_id(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.connect.client_id);
        self
    }

    #[must_use]
    pub fn user_name(mut self, user_name: &str) -> Self {
        self.connect.user_name = Some(user_name.to_owned());
        self
    }

    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.connect.keep_alive = seconds;
        self
    }

    #[must_use]
    pub fn will(mut self, will: Message) -> Self {
        self.connect.will = Some(will);
        self
    }

    #[must_use]
    pub fn tls(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.tls = vec![version];
        self
    }

    #[must_use]
    pub fn provider(mut self, provider: CryptoProvider) -> Self {
        self.provider = Arc::new(provider);
        self
    }

    #[must_use]
    pub fn resumption(mut self, resumption: Resumption) -> Self {
        self.resumption = Some(resumption);
        self
    }

    /// The client's side of TLS.
    pub fn config(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.tls)
            .expect("versions that the provider has")
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            // Unchecked: rustls itself would refuse to show certificates that tests want to see refused by the server.
            Some(identity) => {
                let key =
                    self.provider.key_provider.load_private_key(identity.key.clone_key()).expect("a key that can sign");
                let shown = CertifiedKey::new(identity.chain.clone(), key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => builder.with_no_client_auth(),
        };
        if let Some(resumption) = &self.resumption {
            config.resumption = resumption.clone();
        }
        config
    }

    /// TLS, without CONNECT.
    pub fn open_with(&self, config: Arc<ClientConfig>) -> std::io::Result<Client> {
        let name = ServerName::try_from(self.server_name).expect("a name");
        let mut connection = ClientConnection::new(config, name).expect("a client");
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Client {
            stream: StreamOwned::new(connection, socket),
            version: self.version,
            read: Vec::new(),
            last_id: 0,
            early: Vec::new(),
        })
    }

    /// TLS, without CONNECT.
    pub fn open(&self) -> Client {
        self.open_with(Arc::new(self.config())).unwrap_or_else(|error| panic!("TLS fails: {error}"))
    }

    /// TLS and CONNECT; gives the CONNACK, or the end of the connection.
    pub fn try_connect(&self) -> (Client, Option<Packet>) {
        let mut client = self.open();
        client.send(&packet::connect(self.version, &self.connect));
        let answer = client.try_next();
        (client, answer)
    }

    /// TLS and an accepted CONNECT.
    pub fn connect(&self) -> Client {
        match self.try_connect() {
            (client, Some(Packet::ConnAck { code: 0, present, .. })) => {
                assert!(!present || !self.connect.clean, "a clean session is never present");
                client
            }
            (_, other) => panic!("CONNECT is answered by {other:?}"),
        }
    }
}

pub fn roots(root: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(root.certificate_der().clone()).expect("a root");
    Arc::new(roots)
}

/// A connection.
pub struct Client {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    pub version: Version,
    read: Vec<u8>,
    last_id: u16,
    /// Publications that came while something else was waited for.
    early: Vec<Message>,
}

impl Client {
    /// Sends bytes. A connection that the server has ended already is noticed by reading.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// The next packet; `None` at the end of the connection.
    pub fn try_next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = packet::take(self.version, &mut self.read) {
                return Some(packet);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.read.extend(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nothing came within {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
    }

    pub fn next_packet(&mut self) -> Packet {
        self.try_next().expect("the server keeps the connection")
    }

    /// Reads to the end of the connection; gives the packets before it.
    pub fn until_end(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.try_next()).collect()
    }

    fn next_id(&mut self) -> u16 {
        self.last_id += 1;
        self.last_id
    }

    /// Subscribes; gives the codes.
    pub fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let wanted = self.next_id();
        self.send(&packet::subscribe(self.version, wanted, filters));
        loop {
            match self.next_packet() {
                Packet::SubAck { id, codes } if id == wanted => return codes,
                Packet::Publish(message) => self.early.push(message),
                other => panic!("SUBSCRIBE is answered by {other:?}"),
            }
        }
    }

    pub fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let wanted = self.next_id();
        self.send(&packet::unsubscribe(self.version, wanted, filters));
        loop {
            match self.next_packet() {
                Packet::UnsubAck { id, codes } if id == wanted => return codes,
                Packet::Publish(message) => self.early.push(message),
                other => panic!("UNSUBSCRIBE is answered by {other:?}"),
            }
        }
    }

    /// Publishes at QoS 1; gives the PUBACK's code.
    pub fn publish(&mut self, message: &Message) -> u8 {
        let wanted = self.next_id();
        let message = message.clone().qos(1).id(wanted);
        self.send(&packet::publish(self.version, &message));
        loop {
            match self.next_packet() {
                Packet::PubAck { id, code } if id == wanted => return code,
                Packet::Publish(message) => self.early.push(message),
                other => panic!("PUBLISH is answered by {other:?}"),
            }
        }
    }

    /// Publishes at QoS 0.
    pub fn tell(&mut self, message: &Message) {
        self.send(&packet::publish(self.version, &message.clone().qos(0)));
    }

    /// The next publication; acknowledged.
    pub fn message(&mut self) -> Message {
        if !self.early.is_empty() {
            return self.early.remove(0);
        }
        loop {
            match self.next_packet() {
                Packet::Publish(message) => {
                    match message.qos {
                        1 => self.send(&packet::puback(message.id)),
                        2 => self.send(&packet::pubrec(message.id)),
                        _ => {}
                    }
                    return message;
                }
                Packet::PubAck { .. } | Packet::PingResp => {}
                other => panic!("a publication was expected, not {other:?}"),
            }
        }
    }

    /// Sends PINGREQ; gives what came before its answer. The connection lives.
    pub fn ping(&mut self) -> Vec<Message> {
        self.send(&packet::PINGREQ);
        let mut messages = std::mem::take(&mut self.early);
        loop {
            match self.next_packet() {
                Packet::PingResp => return messages,
                Packet::Publish(message) => messages.push(message),
                other => panic!("PINGREQ is answered by {other:?}"),
            }
        }
    }

    /// Registers with that body, listening on `response`.
    pub fn register(&mut self, body: impl AsRef<[u8]>) -> Value {
        self.ask(REGISTER, REGISTER_RESPONSE, body).json()
    }

    /// Looks the registration up.
    pub fn status(&mut self, body: impl AsRef<[u8]>) -> Value {
        self.ask(STATUS, STATUS_RESPONSE, body).json()
    }

    pub fn ask(&mut self, topic: &str, response: &str, body: impl AsRef<[u8]>) -> Message {
        assert_eq!(self.subscribe(&[(response, 0)]), [0]);
        assert_eq!(self.publish(&Message::new(topic, body)), 0);
        self.message()
    }

    /// Says good-bye.
    pub fn disconnect(mut self) {
        self.send(&packet::DISCONNECT);
        self.until_end();
    }

    /// Breaks the connection without a word.
    pub fn break_off(self) {
        let _ = self.stream.sock.shutdown(Shutdown::Both);
    }
}
