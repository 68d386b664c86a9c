//! One connection: a request, its answer, the next request.

use std::io;
use std::time::Duration;

use firsthop_protocol::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout};

use super::answer::{self, Refusal};
use super::complaints::Complaints;
use super::lines::{LineError, Lines};
use super::request::{Request, properties};
use super::{Local, Peer, stream};
use crate::gateway::port::DevicePort;

/// How long a client may leave an answer unread.
const READ_TIME: Duration = Duration::from_secs(10);
/// How much of a refusal's message is logged, in characters.
const MAX_REASON: usize = 300;

/// A client.
pub struct Connection {
    pub lines: Lines<OwnedReadHalf>,
    out: OwnedWriteHalf,
    peer: Peer,
    complaints: Complaints,
}

/// Serves a client until it is done.
pub async fn serve<D: DevicePort>(stream: UnixStream, peer: Peer, local: Local<D>, complaints: Complaints) {
    let (reader, out) = stream.into_split();
    let mut connection = Connection { lines: Lines::new(reader), out, peer, complaints };
    match connection.requests(local).await {
        Ok(()) => {}
        Err(LineError::Io(error)) => tracing::debug!(uid = peer.uid, %error, "a local connection ended"),
        Err(error) => {
            let _ = connection.refuse("a line", &Refusal::too_large(error.to_string())).await;
        }
    }
}

impl Connection {
    async fn requests<D: DevicePort>(&mut self, mut local: Local<D>) -> Result<(), LineError> {
        while let Some(line) = self.lines.next().await? {
            let request = match Request::parse(&line) {
                Ok(request) => request,
                Err(refusal) => {
                    self.refuse("a request", &refusal).await?;
                    continue;
                }
            };
            drop(line);
            let op = request.op();
            let answered = match request {
                Request::Watch {} => return stream::watch(self, &mut local.desired).await,
                Request::Messages {} => match local.messages.consume() {
                    Some(consumer) => return stream::messages(self, &local.device, consumer).await,
                    None => Err(Refusal::busy("another program takes the messages: one at a time can")),
                },
                other => self.answered(other, &local).await,
            };
            match answered {
                Ok(answer) => self.send(&answer).await?,
                Err(refusal) => self.refuse(op, &refusal).await?,
            }
        }
        Ok(())
    }

    async fn answered<D: DevicePort>(&self, request: Request, local: &Local<D>) -> Result<Vec<u8>, Refusal> {
        match request {
            Request::Status {} => Ok(answer::status(&local.device.status())),
            Request::Publish(publication) => {
                local.device.publish(publication.telemetry(Timestamp::now())?).await?;
                Ok(answer::done())
            }
            Request::Report { patch } => {
                local.device.report(properties(patch)).await?;
                Ok(answer::done())
            }
            Request::Reprovision { reset } => {
                self.check_manager(local)?;
                tracing::info!(uid = self.peer.uid, pid = self.peer.pid, reset, "a person asks to register again");
                local.device.register_again(reset).await?;
                Ok(answer::done())
            }
            // The other two turn the connection into a stream, before they come here.
            Request::Twin {} | Request::Watch {} | Request::Messages {} => {
                Ok(answer::desired(local.device.desired().as_deref()))
            }
        }
    }

    fn check_manager<D>(&self, local: &Local<D>) -> Result<(), Refusal> {
        let own = rustix::process::geteuid().as_raw();
        if may_manage(self.peer.uid, own, &local.managers.borrow()) {
            return Ok(());
        }
        Err(Refusal::not_allowed("this user may not reprovision: an operator can add it to local.managers"))
    }

    pub async fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match timeout(READ_TIME, self.out.write_all(line)).await {
            Ok(written) => written,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
        }
    }

    /// Says why, to the client and in the log.
    pub async fn refuse(&mut self, what: &str, refusal: &Refusal) -> io::Result<()> {
        let Refusal { code, message } = refusal;
        if let Some(untold) = self.complaints.count(Instant::now()) {
            // It may quote the request, which may be as long as a line.
            let reason: String = message.chars().take(MAX_REASON).collect();
            let Peer { uid, pid } = self.peer;
            tracing::warn!(uid, pid, what, code, reason, untold, "a local program is refused");
        }
        self.send(&answer::refused(refusal)).await
    }
}

fn may_manage(uid: u32, own: u32, managers: &[u32]) -> bool {
    uid == own || managers.contains(&uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_and_managers_may_reprovision() {
        assert!(may_manage(7, 7, &[]));
        assert!(may_manage(1, 7, &[0, 1]));
        assert!(!may_manage(0, 7, &[1]), "root too has to be named");
    }
}
