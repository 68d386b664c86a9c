//! A session's access to the bus through rumqttd's router.

use std::collections::VecDeque;
use std::sync::Arc;

use rumqttd::Forward;

use crate::front::codec::{Filter, Publish};

use super::filters::Channel;
use super::router_bus::Shared;
use super::subscription::{self, Subscription};
use super::tap::Tap;
use super::{BusError, Delivery, Link, Reach, Subscribed, envelope, router};

/// A link of the [`RouterBus`](super::RouterBus). It has no connection to the router before its first subscription, so a
/// session that only publishes costs next to nothing and outlives a router.
pub struct RouterLink {
    shared: Arc<Shared>,
    /// Tells links apart for "no local"; never used twice.
    id: u64,
    label: Box<str>,
    /// In the order of their age.
    subscriptions: Vec<Subscription>,
    tap: Option<Tap>,
    /// Came while the router was asked for something else.
    early: VecDeque<Forward>,
}

impl RouterLink {
    pub(super) fn new(shared: Arc<Shared>, id: u64, label: &str) -> Self {
        Self { shared, id, label: label.into(), subscriptions: Vec::new(), tap: None, early: VecDeque::new() }
    }

    /// Subscriptions of this link.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether this link has subscribed to exactly this filter.
    pub fn is_subscribed(&self, filter: &str) -> bool {
        self.position(filter).is_some()
    }

    fn position(&self, filter: &str) -> Option<usize> {
        self.subscriptions.iter().position(|it| it.filter.path == filter)
    }

    async fn add(&mut self, filter: &Filter, identifier: Option<u32>) -> Result<(), BusError> {
        let limit = self.shared.config.filters_per_link;
        if self.subscriptions.len() >= limit {
            return Err(BusError::TooManySubscriptions(limit));
        }
        if self.tap.is_none() {
            self.tap = Some(self.shared.connect().await?);
        }
        let channel = self.shared.enter(&filter.path)?;
        // At once, so that it is given back with the link whatever happens next.
        self.subscriptions.push(Subscription { channel, filter: filter.clone(), identifier });
        let subscribed = match &mut self.tap {
            Some(tap) => tap.subscribe(channel, &mut self.early).await,
            None => Err(BusError::RouterLost),
        };
        if let Err(error) = subscribed {
            self.note(error);
            if self.subscriptions.pop().is_some() {
                self.shared.leave(&filter.path);
            }
            return Err(error);
        }
        Ok(())
    }

    fn retained(&self, filter: &str) -> Vec<Delivery> {
        let Some(subscription) = self.position(filter).and_then(|at| self.subscriptions.get(at)) else {
            return Vec::new();
        };
        let now = self.shared.now();
        let envelopes = self.shared.retained(filter, now).into_iter().filter_map(envelope::open);
        envelopes.filter_map(|it| subscription::deliver_retained(subscription, it, self.id, now)).collect()
    }

    fn deliver(&self, forward: Forward) -> Option<Delivery> {
        let channel: Channel = router::channel(&forward.publish.topic)?;
        let envelope = envelope::open(forward.publish.payload)?;
        subscription::deliver(&self.subscriptions, channel, envelope, self.id, self.shared.now())
    }

    /// Tells the bus when a router was found dead.
    fn note(&self, error: BusError) {
        if error == BusError::RouterLost
            && let Some(router) = self.tap.as_ref().and_then(Tap::router)
        {
            tracing::debug!(link = %self.label, "lost its subscriptions");
            self.shared.replace_if_lost(router);
        }
    }
}

impl Link for RouterLink {
    async fn publish(&mut self, message: &Publish) -> Result<Reach, BusError> {
        self.shared.publish(message, self.id).await
    }

    async fn subscribe(&mut self, filter: &Filter, identifier: Option<u32>) -> Result<Subscribed, BusError> {
        subscription::check(&filter.path)?;
        let replaced = match self.position(&filter.path).and_then(|at| self.subscriptions.get_mut(at)) {
            Some(known) => {
                known.filter = filter.clone();
                known.identifier = identifier;
                true
            }
            None => {
                self.add(filter, identifier).await?;
                false
            }
        };
        let retained =
            if subscription::wants_retained(filter, replaced) { self.retained(&filter.path) } else { Vec::new() };
        Ok(Subscribed { replaced, retained })
    }

    async fn unsubscribe(&mut self, filter: &str) -> Result<bool, BusError> {
        let Some(at) = self.position(filter) else { return Ok(false) };
        let gone = self.subscriptions.remove(at);
        self.shared.leave(filter);
        let result = match &mut self.tap {
            Some(tap) => tap.unsubscribe(gone.channel, &mut self.early).await,
            None => Ok(()),
        };
        if let Err(error) = result {
            self.note(error);
            return Err(error);
        }
        Ok(true)
    }

    async fn recv(&mut self) -> Result<Delivery, BusError> {
        loop {
            if let Some(forward) = self.early.pop_front() {
                if let Some(delivery) = self.deliver(forward) {
                    return Ok(delivery);
                }
                continue;
            }
            let Some(tap) = &mut self.tap else { return std::future::pending().await };
            match tap.next().await {
                Ok(forward) => {
                    if let Some(delivery) = self.deliver(forward) {
                        return Ok(delivery);
                    }
                }
                Err(error) => {
                    self.note(error);
                    return Err(error);
                }
            }
        }
    }
}

impl Drop for RouterLink {
    fn drop(&mut self) {
        for subscription in &self.subscriptions {
            self.shared.leave(&subscription.filter.path);
        }
    }
}
