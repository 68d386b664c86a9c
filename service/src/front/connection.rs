//! A connection's life: CONNECT, the session, the end.
//!
//! ```text
//! TLS up --CONNECT--> session --DISCONNECT, fault, take-over, stop--> flush > will > answers still under way > gone
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use super::codec::{Connect, ConnectReason, DecodeReason, Decoder, Encoder, Packet, Version};
use super::endpoint::Endpoint;
use super::limits::MAX_CONNECT;
use super::listener::{Arrival, Transport};
use super::packet::connect::Refused;

/// Whoever gives a client its session once its CONNECT is there.
pub trait Reception: Send + Sync + 'static {
    fn endpoint(&self) -> &Arc<Endpoint>;

    fn receive<T: Transport>(self: Arc<Self>, arrived: Arrived<T>) -> impl Future<Output = ()> + Send;
}

/// A client that has sent its CONNECT.
pub struct Arrived<T> {
    pub connect: Box<Connect>,
    pub transport: T,
    pub peer: SocketAddr,
    pub decoder: Decoder,
    pub encoder: Encoder,
    /// What came behind the CONNECT.
    pub input: BytesMut,
}

/// Serves a client whose TLS handshake is done.
pub async fn serve<D: Reception, T: Transport>(
    door: Arc<D>,
    mut transport: T,
    peer: SocketAddr,
    arrival: Arrival,
    deadline: Instant,
) {
    let endpoint = door.endpoint();
    let mut decoder = Decoder::new(MAX_CONNECT, endpoint.limits.packet_size.as_usize());
    let mut input = BytesMut::new();
    let first = tokio::select! {
        biased;
        () = endpoint.stopping.cancelled() => return,
        first = timeout_at(deadline, first_packet(&mut transport, &mut decoder, &mut input)) => first,
    };
    let connect = match first {
        Ok(Ok(Packet::Connect(connect))) => connect,
        Ok(Ok(other)) => {
            tracing::debug!(%peer, packet = other.name(), "closed: the first packet is no CONNECT");
            return;
        }
        Ok(Err(First::Closed)) => {
            tracing::debug!(%peer, "closed before CONNECT");
            return;
        }
        Ok(Err(First::Refused(version, reason, why))) => {
            let refused = Refused::new(reason, why);
            return refused.send(endpoint, &mut transport, Encoder::new(version), peer).await;
        }
        Err(_) => {
            tracing::debug!(%peer, "closed: no CONNECT in time");
            return;
        }
    };
    drop(arrival);
    let encoder = Encoder::for_client(&connect);
    door.receive(Arrived { connect, transport, peer, decoder, encoder, input }).await;
}

enum First {
    Closed,
    Refused(Version, ConnectReason, &'static str),
}

async fn first_packet<T: Transport>(
    transport: &mut T,
    decoder: &mut Decoder,
    input: &mut BytesMut,
) -> Result<Packet, First> {
    loop {
        match decoder.decode(input) {
            Ok(Some(packet)) => return Ok(packet),
            Ok(None) => {}
            Err(error) => {
                let version = match error.reason {
                    DecodeReason::UnsupportedVersion { answer_in } => answer_in,
                    _ => decoder.version().unwrap_or(Version::V311),
                };
                return Err(First::Refused(version, error.connect_reason(), error.detail));
            }
        }
        input.reserve(512);
        match transport.read_buf(input).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(First::Closed),
        }
    }
}
