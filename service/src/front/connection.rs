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
    let first = tokio::select! {
        biased;
        () = door.stopping.cancelled() => return,
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
    let encoder = Encoder::for_client(&connect);
    let accepted = match connect::handle(&door, transport.peer_chain(), *connect) {
        Ok(accepted) => accepted,
        Err((reason, why)) => {
            tracing::debug!(%peer, why, "CONNECT refused");
            return refuse(&door, &mut transport, encoder, reason, &why).await;
        }
    };
    // Strangers have places of their own, so that they can never take a device's.
    let places = if accepted.identity.principal().is_some() { &door.places } else { &door.lobby };
    let Ok(place) = places.clone().try_acquire_owned() else {
        tracing::debug!(%peer, "CONNECT refused: as many sessions as may be");
        let why = "the service has as many sessions as it may have";
        return refuse(&door, &mut transport, encoder, ConnectReason::ServerBusy, why).await;
    };
    let span = tracing::info_span!("session", %peer, id = accepted.identity.id().map(tracing::field::display));
    let tasks = door.tasks.clone();
    let session = Session::new(door, decoder, encoder, accepted, place);
    // In a task of its own: this one has room for a handshake, which an idle session should not keep.
    tasks.spawn(session.run(transport, input).instrument(span));
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
