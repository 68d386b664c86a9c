//! A connection's life: CONNECT, the session, the end.
//!
//! ```text
//! TLS up --CONNECT--> session --DISCONNECT, fault, take-over, stop--> flush > will > answers still under way > gone
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::codec::{ConnAck, ConnectReason, DecodeReason, Decoder, Encoder, Packet, Reply, Version};
use super::door::Door;
use super::limits::MAX_CONNECT;
use super::listener::{Arrival, Transport};
use super::packet::connect;
use super::session::Session;

/// Serves a client whose TLS handshake is done.
pub async fn serve<T: Transport>(
    door: Arc<Door>,
    mut transport: T,
    peer: SocketAddr,
    arrival: Arrival,
    deadline: Instant,
) {
    let mut decoder = Decoder::new(MAX_CONNECT, door.limits.packet_size.as_usize());
    let mut input = BytesMut::new();
    let connect = match timeout_at(deadline, first_packet(&mut transport, &mut decoder, &mut input)).await {
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
            tracing::debug!(%peer, why, "CONNECT refused");
            refuse(&door, &mut transport, Encoder::new(version), reason, why).await;
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "closed: no CONNECT in time");
            return;
        }
    };
    drop(arrival);
    let Ok(place) = door.places.clone().try_acquire_owned() else {
        tracing::warn!(%peer, limit = door.limits.sessions, "CONNECT refused: as many sessions as may be");
        let encoder = Encoder::for_client(&connect);
        refuse(
            &door,
            &mut transport,
            encoder,
            ConnectReason::ServerBusy,
            "the service has as many sessions as it may have",
        )
        .await;
        return;
    };
    let encoder = Encoder::for_client(&connect);
    match connect::handle(&door, transport.peer_chain(), *connect) {
        Ok(accepted) => {
            let span = tracing::info_span!("session", %peer, id = accepted.identity.id().map(tracing::field::display));
            let session = Session::new(door, decoder, encoder, accepted, place);
            Box::pin(session.run(transport, input)).instrument(span).await;
        }
        Err((reason, why)) => {
            tracing::debug!(%peer, why, "CONNECT refused");
            refuse(&door, &mut transport, encoder, reason, &why).await;
        }
    }
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

async fn refuse<T: Transport>(door: &Door, transport: &mut T, encoder: Encoder, reason: ConnectReason, why: &str) {
    let mut out = BytesMut::new();
    if encoder.encode(&Reply::ConnAck(Box::new(ConnAck::refused(reason, why))), &mut out).is_ok() {
        let sent = async {
            transport.write_all(&out).await?;
            transport.shutdown().await
        };
        // The client is refused either way; whether it read why is its affair.
        let _ = timeout(door.limits.unread, sent).await;
    }
}
