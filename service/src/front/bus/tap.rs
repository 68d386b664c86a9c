//! A subscriber's connection to the router.
//!
//! Two rules keep the router alive. It must never remove the connection by itself, so nothing is sent that it could
//! object to, and leaving is a packet like others. And the wake-up after a pause must not arrive when the connection is
//! already gone: one bell rings at a time and is answered before the next, so that an older one cannot pick up the
//! farewell before the wake-up has passed.

use std::sync::Arc;
use std::time::Duration;

use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::protocol::{Disconnect, DisconnectReasonCode, Packet};
use rumqttd::{Forward, Notification};
use tokio::time::{sleep, timeout};

use super::BusError;
use super::filters::Channel;
use super::router::{Router, ring, topic};
use super::router_bus::Name;

const RETRY: Duration = Duration::from_millis(1);
/// The router answers in microseconds; who waits longer waits for a router that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that says goodbye when it is dropped.
pub(super) struct Tap {
    /// Taken when it is dropped.
    inner: Option<Inner>,
}

struct Inner {
    tx: LinkTx,
    rx: LinkRx,
    router: Arc<Router>,
    /// The router has paused the connection and waits to be told to go on.
    paused: bool,
    /// A request is on its way and not yet answered.
    asked: bool,
    /// Given back when the router has been told that the connection ends.
    _name: Name,
}

impl Tap {
    /// Connects. Blocks: call it where blocking is allowed.
    pub(super) fn connect(router: Arc<Router>, name: Name) -> Result<Self, BusError> {
        let (tx, rx) = router.connect(&name.to_string())?;
        Ok(Self { inner: Some(Inner { tx, rx, router, paused: false, asked: false, _name: name }) })
    }

    pub(super) fn router(&self) -> Option<&Arc<Router>> {
        self.inner.as_ref().map(|inner| &inner.router)
    }

    /// Asks for a channel's messages. What arrives meanwhile goes to `early`; at most what the router sends between two
    /// pauses.
    pub(super) async fn subscribe(
        &mut self,
        channel: Channel,
        early: &mut impl Extend<Forward>,
    ) -> Result<(), BusError> {
        self.ask(early, |tx| tx.try_subscribe(topic(channel)).is_ok()).await
    }

    /// Gives a channel back.
    pub(super) async fn unsubscribe(
        &mut self,
        channel: Channel,
        early: &mut impl Extend<Forward>,
    ) -> Result<(), BusError> {
        self.ask(early, |tx| tx.try_unsubscribe(topic(channel)).is_ok()).await
    }

    /// The next message. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Forward, BusError> {
        let inner = self.inner.as_mut().ok_or(BusError::RouterLost)?;
        loop {
            if let Some(forward) = inner.hear().await? {
                return Ok(forward);
            }
        }
    }

    async fn ask(
        &mut self,
        early: &mut impl Extend<Forward>,
        mut send: impl FnMut(&mut LinkTx) -> bool,
    ) -> Result<(), BusError> {
        let inner = self.inner.as_mut().ok_or(BusError::RouterLost)?;
        let asked = timeout(PATIENCE, async {
            // An earlier one whose caller did not wait.
            inner.settle(early).await?;
            while !send(&mut inner.tx) {
                inner.tx.buffer().pop_back();
                if inner.router.is_lost() {
                    return Err(BusError::RouterLost);
                }
                sleep(RETRY).await;
            }
            inner.asked = true;
            inner.settle(early).await
        });
        asked.await.unwrap_or(Err(BusError::Busy))
    }
}

impl Inner {
    /// The next message, or `None` for the answer to what was asked.
    async fn hear(&mut self) -> Result<Option<Forward>, BusError> {
        loop {
            if self.paused {
                // Not set back before it is sent: a caller may drop this future while it waits.
                self.rx.wake().await.map_err(|_| BusError::RouterLost)?;
                self.paused = false;
            }
            match self.rx.next().await.map_err(|_| BusError::RouterLost)? {
                Some(Notification::Forward(forward)) => return Ok(Some(forward)),
                Some(Notification::DeviceAck(_)) => {
                    self.asked = false;
                    return Ok(None);
                }
                Some(Notification::Unschedule) => self.paused = true,
                Some(Notification::Disconnect(..)) => return Err(BusError::RouterLost),
                _ => {}
            }
        }
    }

    /// Waits for the answer to what was asked.
    async fn settle(&mut self, early: &mut impl Extend<Forward>) -> Result<(), BusError> {
        while self.asked {
            early.extend(self.hear().await?);
        }
        Ok(())
    }

    /// Tells the router that the connection ends; `false` when its queue is full.
    fn leave(&mut self) -> bool {
        let goodbye = Disconnect { reason_code: DisconnectReasonCode::NormalDisconnection };
        self.tx.buffer().push_back(Packet::Disconnect(goodbye, None));
        let left = ring(&mut self.tx);
        if !left {
            self.tx.buffer().pop_back();
        }
        left
    }

    /// Leaves when leaving has to wait. A connection that does not leave stays in the router for ever.
    async fn leave_patiently(mut self) {
        let left = timeout(PATIENCE, async {
            // Nobody wants these any more.
            self.settle(&mut Discard).await?;
            while !self.leave() {
                if self.router.is_lost() {
                    return Err(BusError::RouterLost);
                }
                sleep(RETRY).await;
            }
            Ok(())
        });
        if left.await.is_err() {
            tracing::warn!("a connection to the message router could not be closed");
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        if inner.router.is_lost() || (!inner.asked && inner.leave()) {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(inner.leave_patiently())),
            Err(_) => tracing::warn!("a connection to the message router could not be closed outside the runtime"),
        }
    }
}

struct Discard;

impl Extend<Forward> for Discard {
    fn extend<T: IntoIterator<Item = Forward>>(&mut self, messages: T) {
        messages.into_iter().for_each(drop);
    }
}
