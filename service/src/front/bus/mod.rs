//! Ordinary publish and subscribe between sessions.
//!
//! [`RouterBus`] does it with rumqttd's router, which is good at fan-out and at waiting for slow readers, but dies of odd
//! topics, compares every topic with every filter, and never forgets a filter, a topic or a client. So it is given none
//! of them: each live filter has a *channel*, a small ASCII topic (`t/17`) that goes back when the last subscriber leaves.
//!
//! ```text
//! publish > filters (which channels match?) > envelope (topic, QoS, properties, payload) > router, topic t/17
//! router > link of each subscriber of t/17 > envelope > QoS and options of the subscription > Delivery
//! ```
//!
//! Matching, retained messages, `$` topics, expiry and QoS are decided here; the router copies bytes. It is supervised:
//! when it dies it is built anew, and only the links that had subscribed through it end ([`BusError::RouterLost`]).

mod config;
mod envelope;
mod filters;
mod link;
mod retained;
mod router;
mod router_bus;
mod subscription;
mod tap;

#[cfg(test)]
mod tests;

use std::future::Future;

use crate::front::codec::{Filter, Publish};

pub use config::Config;
pub use link::RouterLink;
pub use router_bus::RouterBus;

/// A message as one subscriber gets it: QoS and flags are those of the subscription, there is no packet id yet.
pub type Delivery = Publish;

/// Publish and subscribe between sessions.
pub trait Bus: Send + Sync + 'static {
    type Link: Link;

    /// A session's own access to the bus. Cheap: nothing is set up before the first subscription.
    fn open(&self, label: &str) -> impl Future<Output = Result<Self::Link, BusError>> + Send;
}

/// One session's access to the bus. Dropping it ends its subscriptions.
pub trait Link: Send {
    /// Hands a message to whoever has subscribed, and keeps it if it is retained. QoS towards the publisher is the
    /// caller's: when this returns the message has been taken over.
    fn publish(&mut self, message: &Publish) -> impl Future<Output = Result<Reach, BusError>> + Send;

    /// Subscribes, or changes the options of a subscription. When this returns every later message is seen.
    fn subscribe(
        &mut self,
        filter: &Filter,
        identifier: Option<u32>,
    ) -> impl Future<Output = Result<Subscribed, BusError>> + Send;

    /// Whether there was such a subscription.
    fn unsubscribe(&mut self, filter: &str) -> impl Future<Output = Result<bool, BusError>> + Send;

    /// The next message; waits for ever without subscriptions. May be dropped and called again without losing one.
    /// After an error the link is of no further use.
    fn recv(&mut self) -> impl Future<Output = Result<Delivery, BusError>> + Send;
}

/// Whether somebody was there to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Subscribers,
    Nobody,
}

/// The outcome of a subscription.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// It replaced the options of one that existed.
    pub replaced: bool,
    /// Retained messages that it asks for, to be sent after the SUBACK.
    pub retained: Vec<Delivery>,
}

/// Why the bus did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    #[error("shared subscriptions are not offered")]
    SharedSubscription,
    #[error("topics that begin with `$` are not on the bus")]
    Reserved,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("a topic filter may have {0} levels")]
    TooManyLevels(usize),
    #[error("one session may have {0} subscriptions on the bus")]
    TooManySubscriptions(usize),
    #[error("{0} different topic filters are in use, which is the limit")]
    TooManyFilters(usize),
    #[error("{0} sessions have subscriptions on the bus, which is the limit")]
    TooManyLinks(usize),
    #[error("the store of retained messages is full")]
    RetainedFull,
    #[error("the message is too large for the bus")]
    TooLarge,
    #[error("the message router is too busy; try again")]
    Busy,
    /// The router died and was replaced; subscriptions through the old one are gone.
    #[error("the message router was lost")]
    RouterLost,
}
