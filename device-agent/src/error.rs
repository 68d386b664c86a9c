//! What can go wrong, sorted by whose turn it is: before a connection (files and names), and on one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use firsthop_protocol::codec::{DecodeError, MAX_REQUEST};

use crate::MqttVersion;
use crate::reason::Reason;

/// Credentials, roots or names cannot be used. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The private key lies open.
    #[error("{} has mode {mode:04o}, so others than its owner may use the private key; run `chmod 600 {}`", path.display(), path.display())]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no PEM.
    #[error("{} is not readable as PEM: {message}", path.display())]
    BadPem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A PEM file without a certificate.
    #[error("{} holds no certificate (\"-----BEGIN CERTIFICATE-----\")", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file without an unencrypted private key.
    #[error("{} holds no readable private key; PKCS#8, SEC1 and PKCS#1 are understood, without a passphrase", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not work together, or with this library.
    #[error("{origin}: {message}")]
    Credentials {
        /// Where they came from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// The roots cannot be used.
    #[error("{origin} cannot serve as trusted roots: {message}")]
    TrustedRoots {
        /// Where they came from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// Neither a DNS name nor an IP address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    ServerName {
        /// The text given.
        name: String,
    },
    /// The client id cannot be sent.
    #[error("the client id must have at most 65535 bytes and no NUL")]
    ClientId,
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be configured: {message}")]
    Tls {
        /// Its message.
        message: String,
    },
}

/// A connection or a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was sent.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The name has no address.
    #[error("cannot resolve {server}")]
    Resolve {
        /// `host:port`.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// None of the addresses accepts.
    #[error("cannot connect to {server}")]
    Connect {
        /// `host:port`.
        server: String,
        /// Why the last address did not.
        source: io::Error,
    },
    /// The server's certificate is not vouched for, or is for another name.
    #[error("{server} is not trusted: {reason} (trusted roots: {roots})")]
    ServerNotTrusted {
        /// `host:port`.
        server: String,
        /// What is wrong with its certificate.
        reason: String,
        /// Where the trusted roots came from.
        roots: String,
    },
    /// The server ended TLS because of our certificate.
    #[error("{server} refused our certificate: TLS alert {alert}")]
    CertificateRefused {
        /// `host:port`.
        server: String,
        /// The alert's name.
        alert: String,
    },
    /// Any other failure of TLS.
    #[error("TLS with {server} failed: {message}")]
    Tls {
        /// `host:port`.
        server: String,
        /// What failed.
        message: String,
    },
    /// CONNACK with a reason other than success.
    #[error("{server} refused the MQTT {version} connection: {reason}")]
    ConnectionRefused {
        /// `host:port`.
        server: String,
        /// The version that was spoken.
        version: MqttVersion,
        /// The reason.
        reason: Reason,
    },
    /// SUBACK with a failure.
    #[error("{server} refused the subscription to {filter}: {reason}")]
    SubscriptionRefused {
        /// `host:port`.
        server: String,
        /// The filter.
        filter: &'static str,
        /// The reason.
        reason: Reason,
    },
    /// PUBACK with a failure.
    #[error("{server} refused the publication to {topic}: {reason}")]
    PublicationRefused {
        /// `host:port`.
        server: String,
        /// The topic.
        topic: &'static str,
        /// The reason.
        reason: Reason,
    },
    /// The server ended the connection.
    #[error("{server} closed the connection while we waited for {waiting}{}", Because(reason))]
    Closed {
        /// `host:port`.
        server: String,
        /// What was waited for.
        waiting: Waiting,
        /// The reason of its DISCONNECT, if it sent one.
        reason: Option<Reason>,
    },
    /// Nothing came in time.
    #[error("timed out after {after:?} waiting for {waiting} of {server}")]
    TimedOut {
        /// `host:port`.
        server: String,
        /// What was waited for.
        waiting: Waiting,
        /// How long.
        after: Duration,
    },
    /// Another failure of the socket.
    #[error("the connection to {server} failed while we waited for {waiting}")]
    Io {
        /// `host:port`.
        server: String,
        /// What was waited for.
        waiting: Waiting,
        /// Why.
        source: io::Error,
    },
    /// The server sent what is not MQTT, or a packet that has no place here.
    #[error("{server} broke the MQTT protocol: {message}")]
    Protocol {
        /// `host:port`.
        server: String,
        /// What came.
        message: String,
    },
    /// An answer that cannot be read.
    #[error("{server} sent an answer on {topic} that cannot be read")]
    MalformedAnswer {
        /// `host:port`.
        server: String,
        /// The topic it came on.
        topic: &'static str,
        /// Where it is wrong.
        source: DecodeError,
    },
    /// The request's body is over the protocol's limit. Nothing was sent.
    #[error("the request has {len} bytes, and {MAX_REQUEST} are allowed")]
    RequestTooLarge {
        /// Bytes of the encoded body.
        len: usize,
    },
}

/// What a connection was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The address of the host.
    Resolution,
    /// The TCP connection.
    TcpConnection,
    /// The TLS handshake.
    TlsHandshake,
    /// CONNACK.
    ConnAck,
    /// SUBACK of the answer topics.
    SubAck,
    /// The answer to a request.
    Answer,
    /// PINGRESP.
    PingResp,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolution => "the address",
            Self::TcpConnection => "the TCP connection",
            Self::TlsHandshake => "the TLS handshake",
            Self::ConnAck => "CONNACK",
            Self::SubAck => "SUBACK",
            Self::Answer => "the answer",
            Self::PingResp => "PINGRESP",
        })
    }
}

struct Because<'a>(&'a Option<Reason>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}
