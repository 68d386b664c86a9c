//! From an endpoint and credentials to an open MQTT connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::Format;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stream::PacketStream;
use crate::{Connection, Credentials, Endpoint, Error, MqttVersion, SetupError, Waiting, tls};

/// How connections are made and requests are sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// The edition of MQTT.
    pub mqtt: MqttVersion,
    /// The format of requests, and so of their answers.
    pub format: Format,
    /// How long connecting may take, and then each request.
    pub timeout: Duration,
    /// MQTT's keep-alive time, rounded up to seconds; zero turns it off. The server ends a connection on which nothing was sent for
    /// one and a half times as long, so whoever holds one without asking calls [`Connection::ping`]. A server may choose another time.
    pub keep_alive: Duration,
    /// MQTT's client id. Without one it is the registration id of the credentials, and else the server's choice.
    pub client_id: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mqtt: MqttVersion::default(),
            format: Format::default(),
            timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            client_id: None,
        }
    }
}

/// Makes connections to one endpoint with the same credentials. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
    client_id: Arc<str>,
    options: Options,
}

/// Makes one connection. To make several with the same credentials, keep a [`Client`].
pub async fn connect(endpoint: &Endpoint, credentials: &Credentials, options: Options) -> Result<Connection, Error> {
    Client::new(endpoint, credentials, options)?.connect().await
}

impl Client {
    /// Prepares connections; sends nothing.
    pub fn new(endpoint: &Endpoint, credentials: &Credentials, options: Options) -> Result<Self, SetupError> {
        let client_id = match (&options.client_id, credentials.registration_id()) {
            (Some(id), _) => id.as_str(),
            (None, Some(id)) => id.as_str(),
            (None, None) => "",
        };
        if client_id.len() > usize::from(u16::MAX) || client_id.contains('\0') {
            return Err(SetupError::ClientId);
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            config: tls::client_config(endpoint, credentials)?,
            client_id: client_id.into(),
            options,
        })
    }

    /// One attempt: address, TCP, TLS, CONNECT and its CONNACK, all within the options' time-out.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let deadline = Instant::now() + self.options.timeout;
        let packets = self.dial(deadline).await?;
        Connection::open(packets, self.endpoint.clone(), &self.client_id, &self.options, deadline).await
    }

    /// Address, TCP and TLS.
    pub(crate) async fn dial(&self, deadline: Instant) -> Result<PacketStream<TlsStream<TcpStream>>, Error> {
        let socket = self.open(deadline).await?;
        let stream = self.secure(socket, deadline).await?;
        tracing::debug!(server = %self.endpoint, client_id = %self.client_id, "TLS is up");
        Ok(PacketStream::new(stream, self.options.mqtt))
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Tries the host's addresses one by one, each with its share of the time that is left.
    async fn open(&self, deadline: Instant) -> Result<TcpStream, Error> {
        let found = timeout_at(deadline, tokio::net::lookup_host((&*self.endpoint.host, self.endpoint.port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(source)) => return Err(Error::Resolve { server: self.endpoint.to_string(), source }),
            Err(_) => return Err(self.timed_out(Waiting::Resolution)),
        };
        let mut failure = Error::Resolve { server: self.endpoint.to_string(), source: io::ErrorKind::NotFound.into() };
        for (at, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            failure = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => {
                    // Requests are small and answered at once: nothing to gain from gathering them.
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY cannot be set");
                    }
                    return Ok(socket);
                }
                Ok(Err(source)) => Error::Connect { server: self.endpoint.to_string(), source },
                Err(_) => self.timed_out(Waiting::TcpConnection),
            };
            tracing::debug!(%address, error = %failure, "address does not accept");
        }
        Err(failure)
    }

    async fn secure(&self, socket: TcpStream, deadline: Instant) -> Result<TlsStream<TcpStream>, Error> {
        let handshake = TlsConnector::from(self.config.clone()).connect(self.endpoint.server_name.clone(), socket);
        match timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(tls::failure(error, &self.endpoint, Waiting::TlsHandshake)),
            Err(_) => Err(self.timed_out(Waiting::TlsHandshake)),
        }
    }

    fn timed_out(&self, waiting: Waiting) -> Error {
        Error::TimedOut { server: self.endpoint.to_string(), waiting, after: self.options.timeout }
    }
}
