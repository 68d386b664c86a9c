//! CONNECT: what it settles whatever the endpoint (MQTT 5 section 3.1, MQTT 3.1.1 section 3.1).

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, timeout};

use super::super::codec::{ConnAck, ConnAckProperties, Connect, ConnectReason, Encoder, Reply, Version};
use super::super::endpoint::Endpoint;
use super::super::listener::Transport;

/// Why a CONNECT gets no session.
#[derive(Debug)]
pub struct Refused {
    pub reason: ConnectReason,
    pub why: String,
    /// `host:port` where the client should go instead.
    pub instead: Option<String>,
}

impl Refused {
    pub fn new(reason: ConnectReason, why: impl Into<String>) -> Self {
        Self { reason, why: why.into(), instead: None }
    }

    pub fn no_place() -> Self {
        Self::new(ConnectReason::ServerBusy, "the service has as many sessions as it may have")
    }

    /// Tells the client and closes its connection.
    pub async fn send<T: Transport>(self, endpoint: &Endpoint, transport: &mut T, encoder: Encoder, peer: SocketAddr) {
        tracing::debug!(%peer, why = self.why, "CONNECT refused");
        let mut answer = ConnAck::refused(self.reason, self.why);
        answer.properties.server_reference = self.instead;
        let mut out = BytesMut::new();
        if encoder.encode(&Reply::ConnAck(Box::new(answer)), &mut out).is_ok() {
            let sent = async {
                transport.write_all(&out).await?;
                transport.shutdown().await
            };
            // The client is refused either way; whether it read why is its affair.
            let _ = timeout(endpoint.limits.unread, sent).await;
        }
    }
}

/// Refusals that only concern MQTT.
pub fn check(endpoint: &Endpoint, connect: &Connect) -> Result<(), Refused> {
    if endpoint.stopping.is_cancelled() {
        return Err(Refused::new(ConnectReason::ServerUnavailable, "the service is stopping"));
    }
    if connect.properties.as_deref().is_some_and(|properties| properties.authentication_method.is_some()) {
        return Err(Refused::new(ConnectReason::BadAuthenticationMethod, "enhanced authentication is not offered"));
    }
    if connect.version == Version::V311 && connect.client_id.is_empty() && !connect.clean {
        // [MQTT-3.1.3-8]
        return Err(Refused::new(ConnectReason::ClientIdentifierNotValid, "an empty client id needs a clean session"));
    }
    Ok(())
}

/// The keep-alive in seconds, as enforced: none, or a longer one, counts as the longest.
pub fn keep_alive(asked: u16, longest: Duration) -> u16 {
    let longest = longest.as_secs().clamp(1, u16::MAX.into()) as u16;
    if asked == 0 { longest } else { asked.min(longest) }
}

/// The longest silence: one and a half times the keep-alive ([MQTT-3.1.2-22]).
pub fn silence(keep_alive: u16) -> Duration {
    Duration::from_millis(u64::from(keep_alive) * 1500)
}

/// The CONNACK of a client that gets a session of its own.
pub fn welcome(endpoint: &Endpoint, connect: &Connect, keep_alive: u16, assigned_client_id: Option<String>) -> ConnAck {
    ConnAck {
        session_present: false,
        reason: ConnectReason::Success,
        properties: ConnAckProperties {
            // Nothing of a session outlives its connection, unless the endpoint says so.
            session_expiry_interval: session_expiry(connect).filter(|seconds| *seconds > 0).map(|_| 0),
            receive_maximum: Some(endpoint.limits.in_flight.max(1)),
            max_packet_size: Some(u32::try_from(endpoint.limits.packet_size.as_u64()).unwrap_or(u32::MAX)),
            assigned_client_id,
            shared_subscription_available: Some(false),
            server_keep_alive: (connect.keep_alive != keep_alive).then_some(keep_alive),
            ..ConnAckProperties::default()
        },
    }
}

/// How many seconds the client wants its session to outlive its connection, where it says so.
pub fn session_expiry(connect: &Connect) -> Option<u32> {
    connect.properties.as_deref()?.session_expiry_interval
}
