//! What a session sends: replies, messages within the client's window, one write for all that a batch of packets causes.

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use super::super::codec::{ConnAck, ConnAckProperties, DisconnectReason, EncodeError, Publish, Reply};
use super::super::listener::Transport;
use super::{End, FAREWELL, Role, Session};

/// What may wait to be written before further packets are handled. A small packet can have a large answer, and a client need not read.
const MOST_UNWRITTEN: usize = 64 * 1024;

impl<R: Role> Session<R> {
    /// What the client sent next waits until what it caused so far is written.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= MOST_UNWRITTEN
    }

    /// CONNACK; to a client that takes small packets only, without what it may do without.
    pub(in super::super) fn greet(&mut self, answer: ConnAck) {
        let bare = ConnAck { properties: ConnAckProperties::default(), ..answer.clone() };
        let fits = [answer, bare]
            .into_iter()
            .any(|answer| self.encoder.encode(&Reply::ConnAck(Box::new(answer)), &mut self.out).is_ok());
        if !fits {
            self.end_with(End::quiet("the client takes no packet as large as a CONNACK"));
        }
    }

    /// Puts a packet into the next write.
    pub(in super::super) fn reply(&mut self, reply: &Reply) {
        match self.encoder.encode(reply, &mut self.out) {
            Ok(_) => {}
            Err(error @ EncodeError::TooLarge { .. }) => tracing::debug!(%error, "not sent"),
            Err(error) => tracing::warn!(%error, "not sent"),
        }
    }

    /// Sends a message at its QoS within the client's window.
    pub(in super::super) fn send(&mut self, publish: Publish) {
        match self.outbound.send(publish) {
            Ok(Some(reply)) => {
                self.put(reply);
            }
            Ok(None) => {}
            Err(_) => {
                self.end_with(End::fault(DisconnectReason::QuotaExceeded, "too many messages without acknowledgement"));
            }
        }
    }

    /// Puts a message into the next write. One that is larger than the client takes is sent without what may be left out; if that does
    /// not help, it counts as sent ([MQTT-3.1.2-25]), and the answer is `false`.
    pub(in super::super) fn put(&mut self, reply: Reply) -> bool {
        let Reply::Publish(mut publish) = reply else {
            self.reply(&reply);
            return true;
        };
        for shorter in [false, true] {
            if shorter && let Some(properties) = &mut publish.properties {
                properties.user_properties.clear();
                properties.content_type = None;
            }
            let message = Reply::Publish(publish);
            let Err(error) = self.encoder.encode(&message, &mut self.out) else { return true };
            let Reply::Publish(back) = message else { return true };
            publish = back;
            if shorter {
                tracing::info!(%error, "a message was not sent");
            }
        }
        if let Some(next) = self.outbound.not_sent(publish.pkid) {
            self.put(next);
        }
        false
    }

    pub(super) async fn flush<T: Transport>(&mut self, transport: &mut T) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            transport.write_all(&self.out).await?;
            transport.flush().await
        };
        // A session that is over keeps what it has no longer than it takes to say farewell.
        let over = async {
            tokio::select! {
                () = self.endpoint.stopping.cancelled() => {}
                () = self.role.ended() => {}
            }
            sleep(FAREWELL).await;
        };
        let written = tokio::select! {
            biased;
            written = timeout(self.endpoint.limits.unread, write) => written,
            () = over => return Err(End::quiet("the client did not read in time")),
        };
        self.out = BytesMut::new();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::quiet(format!("the connection broke: {error}"))),
            Err(_) => Err(End::quiet("the client did not read what it was sent")),
        }
    }
}
