//! The local socket: how programs on this machine use the device.
//!
//! A Unix stream socket (`local.socket`, mode 0660). One request is one line of JSON, and so is its answer; a connection may send one
//! request after the other, and each is answered before the next one is read. Every answer has `ok`:
//!
//! ```text
//! {"op":"status"}                                          {"ok":true,"version":"0.1.0","status":{…}}
//! {"op":"publish","properties":{"site":"x"},"body":"21"}   {"ok":true}                      it is on the disk
//! {"op":"publish","bodyBase64":"AAE="}                     {"ok":true}
//! {"op":"report","patch":{"door":"open","old":null}}       {"ok":true}                      it is on the disk
//! {"op":"twin"}                                            {"ok":true,"desired":{…},"version":7}
//! {"op":"reprovision","reset":false}                       {"ok":true}                      it has begun
//! {"op":"sing"}                                            {"ok":false,"error":{"code":"badRequest","message":"…"}}
//! ```
//!
//! `desired` and `version` are null as long as no hub has told them. Two requests turn the connection into a stream; it ends when the
//! client closes its side, and no other request can follow on it:
//!
//! ```text
//! {"op":"watch"}       {"ok":true,"desired":{…},"version":7}         as known now, and again with each change; changes that come
//!                                                                   faster than they are read are skipped, the last one never
//! {"op":"messages"}    {"ok":true}
//!                      {"ok":true,"message":1,"properties":{"a":"b","flag":null},"body":"…"}      or "bodyBase64", where it is no text
//! {"accept":1}                                                      now the hub may forget it, and the next one comes
//! ```
//!
//! One client at a time takes messages. One that goes away without accepting leaves its message to the next; a message can therefore come
//! twice.
//!
//! Codes of errors: `badRequest` (no request, or one that can never be taken), `tooLarge`, `notAllowed`, `busy` (somebody else takes the
//! messages; too many connections), `full` (outbox or disk), `stopping`, `failed`.
//!
//! Whoever may open the socket may do all of this but `reprovision`, which is for the agent's own user and `local.managers`.

mod answer;
mod complaints;
mod connection;
mod lines;
mod messages;
mod request;
mod shares;
mod socket;
mod stream;
pub mod user;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use firsthop_agent::twin::Desired;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::port::DevicePort;
use answer::Refusal;
use complaints::Complaints;
use shares::Shares;

#[cfg(test)]
pub use messages::Inbound;
pub use messages::Messages;
pub use socket::{OpenError, Socket, check, open};

/// Where the socket is, unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/firsthop-agent/agent.sock";

/// How long accepting pauses after it failed, as when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(200);

/// What connections share.
#[derive(Debug, Clone)]
pub struct Local<D> {
    pub device: D,
    /// The desired properties, as the device was told last.
    pub desired: watch::Receiver<Option<Arc<Desired>>>,
    pub messages: Messages,
    /// The users who may reprovision.
    pub managers: watch::Receiver<Vec<u32>>,
}

/// The user and the process at the other end.
#[derive(Debug, Clone, Copy)]
struct Peer {
    uid: u32,
    pid: Option<i32>,
}

/// Serves the socket until it is dropped.
pub async fn serve<D: DevicePort>(socket: Socket, local: Local<D>) {
    let (mut connections, shares, complaints) = (JoinSet::new(), Shares::default(), Complaints::default());
    loop {
        tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, &shares, &complaints, &local, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "no connection to the local socket can be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection to the local socket failed");
                }
            }
        }
    }
}

fn admit<D: DevicePort>(
    stream: UnixStream,
    shares: &Shares,
    complaints: &Complaints,
    local: &Local<D>,
    connections: &mut JoinSet<()>,
) {
    let peer = match stream.peer_cred() {
        Ok(found) => Peer { uid: found.uid(), pid: found.pid() },
        Err(error) => return tracing::warn!(%error, "a client of the local socket cannot be told"),
    };
    match shares.take(peer.uid) {
        Some(share) => {
            let (local, complaints) = (local.clone(), complaints.clone());
            connections.spawn(async move {
                connection::serve(stream, peer, local, complaints).await;
                drop(share);
            });
        }
        None => {
            if let Some(untold) = complaints.count(Instant::now()) {
                tracing::warn!(
                    uid = peer.uid,
                    pid = peer.pid,
                    untold,
                    "a connection is refused: the user has too many"
                );
            }
            let refusal = Refusal::busy("this user has as many connections as one may have");
            if let Err(error) = refuse(stream, &refusal) {
                tracing::debug!(%error, "the refusal cannot be told");
            }
        }
    }
}

/// Says why, without waiting for anybody.
fn refuse(stream: UnixStream, refusal: &Refusal) -> io::Result<()> {
    use std::io::Write;
    let mut stream = stream.into_std()?;
    stream.set_nonblocking(true)?;
    stream.write_all(&answer::refused(refusal))
}

#[cfg(test)]
mod tests;
