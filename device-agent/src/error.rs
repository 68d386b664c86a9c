//! What can go wrong on a connection. What goes wrong before, with files and names, is a `SetupError`.

use std::fmt;
use std::io;
use std::time::Duration;

use firsthop_protocol::Timestamp;
use firsthop_protocol::codec::{DecodeError, MAX_REQUEST};

use crate::clock::TooEarly;
use crate::reason::Reason;
use crate::{MqttVersion, SetupError};

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
    /// A certificate of the server's chain is not valid yet by this machine's clock. Time heals it, or NTP.
    #[error(
        "the certificate of {server} is not valid before {not_before}, and this machine's clock says {now}{}",
        TooEarly { not_before: *not_before, now: *now }
    )]
    ServerNotYetValid {
        /// `host:port`.
        server: String,
        /// From when it is valid.
        not_before: Timestamp,
        /// This machine's clock.
        now: Timestamp,
    },
    /// A certificate of the server's chain has expired by this machine's clock.
    #[error(
        "the certificate of {server} expired at {not_after}, and this machine's clock says {now}; unless that clock is ahead, the server \
         needs a new one"
    )]
    ServerExpired {
        /// `host:port`.
        server: String,
        /// Until when it was valid.
        not_after: Timestamp,
        /// This machine's clock.
        now: Timestamp,
    },
    /// The server ended TLS because of our certificate.
    #[error("{server} refused our certificate: TLS alert {alert}")]
    CertificateRefused {
        /// `host:port`.
        server: String,
        /// The alert's name.
        alert: String,
    },
    /// A token did not sign, so the handshake could not be finished.
    #[error("cannot prove our identity to {server}: {message}")]
    Signing {
        /// `host:port`.
        server: String,
        /// What the token's trouble is.
        message: String,
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
    /// The hub of an assignment is no `host:port`. Nothing was sent.
    #[error("the hub {address:?} is no host:port")]
    MalformedHub {
        /// The text.
        address: String,
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
    /// PUBACK.
    PubAck,
    /// PINGRESP.
    PingResp,
    /// Whatever the server says next.
    Messages,
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
            Self::PubAck => "PUBACK",
            Self::PingResp => "PINGRESP",
            Self::Messages => "messages",
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
