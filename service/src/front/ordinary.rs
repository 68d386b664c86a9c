//! Ordinary topics of one session: what it subscribes to on the bus, and what passes either way.
//!
//! The link to the bus is opened by the first subscription or publication. Whoever calls has asked the access list.

use super::bus::{Bus, BusError, Delivery, Link, RouterBus, RouterLink};
use super::codec::{DisconnectReason, Filter, Publish, QoS, SubscribeReason, Version, text};
use super::session::{End, Role, Session};

/// A session's side of the bus.
#[derive(Default)]
pub struct Ordinary {
    link: Option<Box<RouterLink>>,
    filters: Vec<(Box<str>, QoS)>,
}

impl Ordinary {
    async fn link(&mut self, bus: &RouterBus, label: &str) -> Result<&mut RouterLink, BusError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => Box::new(bus.open(label).await?),
        };
        Ok(self.link.insert(link))
    }

    /// The next message; waits for ever while nothing is subscribed. Cancel safe.
    pub async fn next(&mut self) -> Result<Delivery, BusError> {
        match &mut self.link {
            Some(link) => link.recv().await,
            None => std::future::pending().await,
        }
    }

    pub fn subscriptions(&self) -> usize {
        self.filters.len()
    }

    /// Each subscription and its QoS.
    pub fn filters(&self) -> impl Iterator<Item = (&str, QoS)> {
        self.filters.iter().map(|(filter, qos)| (&**filter, *qos))
    }

    pub fn is_subscribed(&self, filter: &str) -> bool {
        self.filters.iter().any(|(known, _)| **known == *filter)
    }

    /// The QoS at which the session subscribes to a topic; `None` when it does not.
    pub fn qos_of(&self, topic: &str) -> Option<QoS> {
        self.filters.iter().filter(|(filter, _)| text::matches(filter, topic)).map(|(_, qos)| *qos).max()
    }

    /// Ends all subscriptions.
    pub fn close(&mut self) {
        self.link = None;
        self.filters.clear();
    }
}

impl<R: Role> Session<R> {
    /// Hands a message to the bus. `Err` says why it was not taken.
    pub(super) async fn publish_ordinary(&mut self, publish: &Publish) -> Result<(), BusError> {
        let label = self.role.name();
        self.ordinary.link(&self.endpoint.bus, label).await?.publish(publish).await.map(drop)
    }

    pub(super) async fn bus_subscribe(
        &mut self,
        filter: &Filter,
        identifier: Option<u32>,
        retained: &mut Vec<Delivery>,
    ) -> Result<SubscribeReason, (SubscribeReason, String)> {
        let label = self.role.name();
        let refused = |error: BusError| {
            let reason = match error {
                BusError::SharedSubscription => SubscribeReason::SharedSubscriptionsNotSupported,
                BusError::Reserved => SubscribeReason::NotAuthorized,
                BusError::Invalid(_) | BusError::TooManyLevels(_) => SubscribeReason::TopicFilterInvalid,
                BusError::TooManySubscriptions(_) | BusError::TooManyFilters(_) | BusError::TooManyLinks(_) => {
                    SubscribeReason::QuotaExceeded
                }
                BusError::RetainedFull | BusError::TooLarge | BusError::Busy | BusError::RouterLost => {
                    SubscribeReason::UnspecifiedError
                }
            };
            (reason, error.to_string())
        };
        let link = self.ordinary.link(&self.endpoint.bus, label).await.map_err(refused)?;
        let subscribed = link.subscribe(filter, identifier).await.map_err(refused)?;
        retained.extend(subscribed.retained);
        self.ordinary.filters.retain(|(known, _)| **known != *filter.path);
        self.ordinary.filters.push((filter.path.as_str().into(), filter.qos));
        Ok(SubscribeReason::Granted(filter.qos))
    }

    /// Whether there was such a subscription.
    pub(super) async fn bus_unsubscribe(&mut self, filter: &str) -> bool {
        let Some(at) = self.ordinary.filters.iter().position(|(known, _)| **known == *filter) else { return false };
        self.ordinary.filters.swap_remove(at);
        match &mut self.ordinary.link {
            Some(link) => link.unsubscribe(filter).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the bus kept a subscription");
                true
            }),
            None => false,
        }
    }

    pub(super) fn on_delivery(&mut self, delivery: Result<Delivery, BusError>) -> Result<(), End> {
        match delivery {
            Ok(delivery) => {
                self.deliver(delivery);
                Ok(())
            }
            // Its subscriptions are gone: the client has to connect and subscribe again.
            Err(error) => Err(End::fault(DisconnectReason::ServerBusy, error.to_string())),
        }
    }

    pub(super) fn deliver(&mut self, mut delivery: Delivery) {
        if self.version == Version::V311 {
            delivery.properties = None;
        }
        self.send(delivery);
    }

    /// Publishes the will of a client that did not take its leave.
    pub(super) async fn publish_ordinary_will(&mut self, will: &Publish) {
        if let Err(error) = self.publish_ordinary(will).await {
            tracing::warn!(topic = will.topic, %error, "the will was not published");
        }
    }
}
