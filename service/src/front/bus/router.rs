//! One life of rumqttd's router: its thread, and the connection that publishers share.
//!
//! The thread cannot be told to stop; it ends with the process or by a panic. After a panic everything here answers
//! "lost" and the value is replaced as a whole.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::protocol::{Packet, Publish};

use super::filters::Channel;
use super::{BusError, Config};

/// The name that the shared connection has towards the router; those of the links are numbers.
const PUBLISHERS: &str = "publishers";
/// The router's queue is full for moments only; its thread does nothing but empty it.
const RETRY: Duration = Duration::from_millis(1);
/// After so many retries, about two seconds, the router is called busy.
const RETRIES: usize = 2_000;

type Connect = dyn Fn(&str) -> Result<(LinkTx, LinkRx), Box<LinkError>> + Send + Sync;

/// A running router.
pub(super) struct Router {
    /// Closures, because the type of the router's sender cannot be named outside rumqttd.
    connect: Box<Connect>,
    is_lost: Box<dyn Fn() -> bool + Send + Sync>,
    publishers: Mutex<LinkTx>,
    /// Kept so that the router has somewhere to put what it says to publishers, which is nothing.
    _publishers_rx: LinkRx,
    max_waiting: usize,
}

impl Router {
    /// Starts a router. Blocks until its thread has answered.
    pub(super) fn start(config: &Config) -> Result<Self, BusError> {
        let sender = rumqttd::Router::new(0, config.router()).spawn();
        let connect = {
            let sender = sender.clone();
            move |name: &str| match LinkBuilder::new(name, sender.clone()).build() {
                Ok((tx, rx, _connack)) => Ok((tx, rx)),
                Err(error) => Err(Box::new(error)),
            }
        };
        let (publishers, publishers_rx) = connect(PUBLISHERS).map_err(|error| {
            tracing::error!(%error, "the message router does not start");
            BusError::RouterLost
        })?;
        Ok(Self {
            connect: Box::new(connect),
            is_lost: Box::new(move || sender.is_disconnected()),
            publishers: Mutex::new(publishers),
            _publishers_rx: publishers_rx,
            max_waiting: config.waiting,
        })
    }

    /// Whether its thread has ended.
    pub(super) fn is_lost(&self) -> bool {
        (self.is_lost)()
    }

    /// Makes a subscriber's connection. Blocks until the router has answered. Names are ASCII digits: the router drops
    /// others without a word.
    pub(super) fn connect(&self, name: &str) -> Result<(LinkTx, LinkRx), BusError> {
        (self.connect)(name).map_err(|error| {
            tracing::warn!(%error, "the message router refused a connection");
            if self.is_lost() { BusError::RouterLost } else { BusError::Busy }
        })
    }

    /// Puts the envelope into each channel. When it returns the router has it in its order.
    pub(super) async fn publish(&self, channels: &[Channel], envelope: &Bytes) -> Result<(), BusError> {
        if channels.is_empty() {
            return Ok(());
        }
        self.until(|publishers| enqueue(publishers, channels, envelope, self.max_waiting)).await?;
        self.until(ring).await
    }

    /// Gives the router a topic as it is, which the bus never does.
    #[cfg(test)]
    pub(super) fn publish_raw(&self, topic: &str) {
        let mut publishers = self.publishers.lock().expect("no test panics while it is held");
        let publish = Publish::new(Bytes::copy_from_slice(topic.as_bytes()), Bytes::from_static(b"x"), false);
        publishers.buffer().push_back(Packet::Publish(publish, None));
        assert!(ring(&mut publishers));
    }

    /// Tries a step that does not block until it succeeds.
    async fn until(&self, step: impl Fn(&mut LinkTx) -> bool) -> Result<(), BusError> {
        for _ in 0..RETRIES {
            // Nothing panics while it is held, and a poisoned connection would be as good as before.
            if step(&mut self.publishers.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(());
            }
            if self.is_lost() {
                return Err(BusError::RouterLost);
            }
            tokio::time::sleep(RETRY).await;
        }
        Err(BusError::Busy)
    }
}

/// The topic or filter by which the router knows a channel: ASCII, because it panics on others.
pub(super) fn topic(channel: Channel) -> String {
    format!("t/{channel}")
}

/// The channel that [`topic`] has named.
pub(super) fn channel(topic: &[u8]) -> Option<Channel> {
    std::str::from_utf8(topic).ok()?.strip_prefix("t/")?.parse().ok()
}

fn enqueue(publishers: &mut LinkTx, channels: &[Channel], envelope: &Bytes, max_waiting: usize) -> bool {
    let mut waiting = publishers.buffer();
    if waiting.len() >= max_waiting {
        return false;
    }
    for &channel in channels {
        let publish = Publish::new(Bytes::from(topic(channel)), envelope.clone(), false);
        waiting.push_back(Packet::Publish(publish, None));
    }
    true
}

/// Makes the router look at what waits on a connection. Unsubscribing from the empty filter means nothing to it, and is
/// the one call that neither blocks nor sends anything; `false` when the router's queue is full or it is lost.
pub(super) fn ring(tx: &mut LinkTx) -> bool {
    let rung = tx.try_unsubscribe("").is_ok();
    if !rung {
        // It stays behind when the bell did not ring. Whoever holds `tx` is alone in adding, so it is the last or gone.
        tx.buffer().pop_back();
    }
    rung
}
