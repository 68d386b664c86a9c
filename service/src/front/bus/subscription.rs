//! A link's subscriptions, and what they make of a message.

use crate::front::codec::{Filter, Publish, QoS, RetainHandling, text};

use super::envelope::Envelope;
use super::filters::{Channel, MAX_LEVELS};
use super::retained::seconds_left;
use super::{BusError, Delivery};

/// One subscription of a link.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) channel: Channel,
    pub(super) filter: Filter,
    pub(super) identifier: Option<u32>,
}

/// Checks a filter that somebody wants on the bus.
pub(super) fn check(filter: &str) -> Result<(), BusError> {
    text::topic_filter(filter).map_err(BusError::Invalid)?;
    if filter.starts_with("$share/") {
        return Err(BusError::SharedSubscription);
    }
    if filter.starts_with('$') {
        return Err(BusError::Reserved);
    }
    if filter.split('/').count() > MAX_LEVELS {
        return Err(BusError::TooManyLevels(MAX_LEVELS));
    }
    Ok(())
}

/// What the subscriber gets of a message that came through `channel`.
///
/// A message comes once through each of the link's filters that match; one copy goes on, that of the oldest of them, at
/// the highest QoS of all of them. What matches none any more is left from before an UNSUBSCRIBE.
pub(super) fn deliver(
    subscriptions: &[Subscription],
    channel: Channel,
    envelope: Envelope,
    link: u64,
    now: u64,
) -> Option<Delivery> {
    let mut matching =
        subscriptions.iter().filter(|it| text::matches(&it.filter.path, &envelope.message.topic)).peekable();
    if matching.peek()?.channel != channel {
        return None;
    }
    // "No local" is said per subscription, so that one with it does not silence the others.
    let mut wanted = matching.filter(|it| !(it.filter.no_local && envelope.publisher == link)).peekable();
    wanted.peek()?;
    let (mut qos, mut as_published, mut identifiers) = (QoS::AtMostOnce, false, Vec::new());
    for it in wanted {
        qos = qos.max(it.filter.qos);
        as_published |= it.filter.retain_as_published;
        identifiers.extend(it.identifier);
    }
    let retain = envelope.message.retain && as_published;
    finish(envelope, qos, retain, identifiers, now)
}

/// What a new or renewed subscription gets of a retained message.
pub(super) fn deliver_retained(
    subscription: &Subscription,
    envelope: Envelope,
    link: u64,
    now: u64,
) -> Option<Delivery> {
    if subscription.filter.no_local && envelope.publisher == link {
        return None;
    }
    finish(envelope, subscription.filter.qos, true, subscription.identifier.into_iter().collect(), now)
}

/// Whether a SUBSCRIBE asks for retained messages.
pub(super) fn wants_retained(filter: &Filter, replaced: bool) -> bool {
    match filter.retain_handling {
        RetainHandling::OnEverySubscribe => true,
        RetainHandling::OnNewSubscribe => !replaced,
        RetainHandling::Never => false,
    }
}

fn finish(envelope: Envelope, granted: QoS, retain: bool, identifiers: Vec<u32>, now: u64) -> Option<Delivery> {
    let left = seconds_left(&envelope, now)?;
    let mut message: Publish = envelope.message;
    message.qos = message.qos.min(granted);
    message.retain = retain;
    if left.is_some() || !identifiers.is_empty() {
        let properties = message.properties.get_or_insert_default();
        properties.message_expiry_interval = left;
        properties.subscription_identifiers = identifiers;
    }
    Some(message)
}
