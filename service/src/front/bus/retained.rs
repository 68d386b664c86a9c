//! Retained messages: the last one of each topic that was published with the retain flag, within bounds.

use std::collections::HashMap;

use bytes::Bytes;

use super::{BusError, envelope};
use crate::front::codec::text;

/// What one message takes besides its bytes, roughly.
const OVERHEAD: usize = 128;

#[derive(Debug)]
pub(super) struct Retained {
    messages: HashMap<Box<str>, Kept>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    /// Sealed, as it goes through the router.
    envelope: Bytes,
    expires: Option<u64>,
}

impl Retained {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { messages: HashMap::new(), bytes: 0, max_messages, max_bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Keeps a message instead of the topic's last one. A refusal leaves the last one in place.
    pub(super) fn keep(
        &mut self,
        topic: &str,
        envelope: Bytes,
        expires: Option<u64>,
        now: u64,
    ) -> Result<(), BusError> {
        let size = size(topic, &envelope);
        if !self.has_room(topic, size) {
            self.drop_expired(now);
            if !self.has_room(topic, size) {
                return Err(BusError::RetainedFull);
            }
        }
        self.forget(topic);
        self.bytes += size;
        self.messages.insert(topic.into(), Kept { envelope, expires });
        Ok(())
    }

    /// The topic has no retained message any more.
    pub(super) fn forget(&mut self, topic: &str) {
        if let Some(kept) = self.messages.remove(topic) {
            self.bytes -= size(topic, &kept.envelope);
        }
    }

    /// The messages whose topics match, still sealed.
    pub(super) fn matching(&self, filter: &str, now: u64) -> Vec<Bytes> {
        let live = |kept: &&Kept| kept.expires.is_none_or(|expires| now < expires);
        if !filter.contains(['+', '#']) {
            return self.messages.get(filter).filter(live).map(|kept| kept.envelope.clone()).into_iter().collect();
        }
        let matching = self.messages.iter().filter(|(topic, _)| text::matches(filter, topic));
        matching.map(|(_, kept)| kept).filter(live).map(|kept| kept.envelope.clone()).collect()
    }

    fn has_room(&self, topic: &str, size: usize) -> bool {
        let (messages, bytes) = match self.messages.get(topic) {
            Some(kept) => (self.messages.len() - 1, self.bytes - self::size(topic, &kept.envelope)),
            None => (self.messages.len(), self.bytes),
        };
        messages < self.max_messages && bytes.saturating_add(size) <= self.max_bytes
    }

    fn drop_expired(&mut self, now: u64) {
        let bytes = &mut self.bytes;
        self.messages.retain(|topic, kept| {
            let live = kept.expires.is_none_or(|expires| now < expires);
            if !live {
                *bytes -= size(topic, &kept.envelope);
            }
            live
        });
    }
}

fn size(topic: &str, envelope: &Bytes) -> usize {
    OVERHEAD + topic.len() + envelope.len()
}

/// The clock of the bus at which a message published now expires.
pub(super) fn expiry(message: &crate::front::codec::Publish, now: u64) -> Option<u64> {
    let seconds = message.properties.as_ref()?.message_expiry_interval?;
    Some(now.saturating_add(u64::from(seconds) * 1000))
}

/// What is left of a message's life in whole seconds, at least one; `None` when it is over.
pub(super) fn seconds_left(envelope: &envelope::Envelope, now: u64) -> Option<Option<u32>> {
    match envelope.expires {
        None => Some(None),
        Some(expires) if now >= expires => None,
        Some(expires) => Some(Some(u32::try_from((expires - now).div_ceil(1000)).unwrap_or(u32::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Bytes {
        Bytes::from(vec![0; len])
    }

    #[test]
    fn the_store_is_bounded_by_count_and_by_bytes_and_keeps_what_it_has() {
        let mut store = Retained::new(2, 2 * (OVERHEAD + 11));
        assert_eq!(store.keep("a", bytes(10), None, 0), Ok(()));
        assert_eq!(store.keep("b", bytes(10), None, 0), Ok(()));
        assert_eq!(store.keep("c", bytes(0), None, 0), Err(BusError::RetainedFull));
        assert_eq!(store.keep("b", bytes(11), None, 0), Err(BusError::RetainedFull));
        assert_eq!(store.matching("b", 0), [bytes(10)], "a refusal changes nothing");
        assert_eq!(store.keep("b", bytes(5), None, 0), Ok(()), "instead of its own last one");
        store.forget("a");
        assert_eq!(store.keep("c", bytes(10), None, 0), Ok(()));
        store.forget("b");
        store.forget("c");
        assert_eq!((store.len(), store.bytes), (0, 0));
    }

    #[test]
    fn an_expired_message_is_not_given_and_makes_room() {
        let mut store = Retained::new(1, 1000);
        assert_eq!(store.keep("a", bytes(1), Some(1000), 0), Ok(()));
        assert_eq!(store.matching("a", 999).len(), 1);
        assert_eq!(store.matching("+", 1000).len(), 0);
        assert_eq!(store.keep("b", bytes(1), None, 999), Err(BusError::RetainedFull));
        assert_eq!(store.keep("b", bytes(1), None, 1000), Ok(()));
    }
}
