//! What the hub has not acknowledged: the packet ids that are in use, and what waits because the hub takes no more at a time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// A hub that answers pings and acknowledges nothing for that long is not well.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Most publications that wait for room. The owner publishes a bounded number and answers what the hub calls: only a hub that calls and
/// acknowledges nothing gets here.
const MAX_WAITING: usize = 1024;

/// A publication.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Publication {
    pub packet_id: u16,
    pub topic: String,
    pub body: Bytes,
}

/// What was sent.
#[derive(Debug)]
struct Sent {
    packet_id: u16,
    at: Instant,
    /// Whether it takes one of the places that the hub gave.
    is_publication: bool,
}

#[derive(Debug)]
pub(super) struct UnderWay {
    /// How many publications the hub takes before it has acknowledged the first (MQTT 5 Receive Maximum).
    places: usize,
    last_packet_id: u16,
    /// In the order in which it was sent.
    sent: VecDeque<Sent>,
    waiting: VecDeque<Publication>,
}

impl UnderWay {
    pub fn new(places: u16) -> Self {
        Self { places: places.max(1).into(), last_packet_id: 0, sent: VecDeque::new(), waiting: VecDeque::new() }
    }

    /// How many publications the hub takes at a time.
    pub fn places(&self) -> usize {
        self.places
    }

    /// A packet id for a subscription, or the end of one.
    pub fn subscription(&mut self, now: Instant) -> u16 {
        let packet_id = self.next_packet_id();
        self.sent.push_back(Sent { packet_id, at: now, is_publication: false });
        packet_id
    }

    /// A publication, behind those that wait; its packet id.
    pub fn publish(&mut self, topic: String, body: Bytes) -> u16 {
        let packet_id = self.next_packet_id();
        if self.waiting.len() <= MAX_WAITING {
            self.waiting.push_back(Publication { packet_id, topic, body });
        }
        packet_id
    }

    /// The next publication that may be sent now.
    pub fn next(&mut self, now: Instant) -> Option<Publication> {
        if self.sent.iter().filter(|sent| sent.is_publication).count() >= self.places {
            return None;
        }
        let publication = self.waiting.pop_front()?;
        self.sent.push_back(Sent { packet_id: publication.packet_id, at: now, is_publication: true });
        Some(publication)
    }

    /// A packet id is free again.
    pub fn acknowledged(&mut self, packet_id: u16) {
        // Nearly always the first.
        if let Some(at) = self.sent.iter().position(|sent| sent.packet_id == packet_id) {
            self.sent.remove(at);
        }
    }

    /// By when the hub has to have acknowledged something.
    pub fn due(&self) -> Option<Instant> {
        self.sent.front().map(|oldest| oldest.at + LONGEST)
    }

    /// Whether more waits than the hub can be waited for with.
    pub fn is_overfull(&self) -> bool {
        self.waiting.len() > MAX_WAITING
    }

    /// One that is not in use. There is one: far fewer than all are.
    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            let used = self.sent.iter().any(|sent| sent.packet_id == id)
                || self.waiting.iter().any(|waiting| waiting.packet_id == id);
            if !used {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(under_way: &mut UnderWay) -> u16 {
        under_way.publish(String::new(), Bytes::new())
    }

    fn sent(under_way: &mut UnderWay) -> Vec<u16> {
        std::iter::from_fn(|| under_way.next(Instant::now())).map(|publication| publication.packet_id).collect()
    }

    #[test]
    fn a_packet_id_in_use_is_not_given_again() {
        let mut under_way = UnderWay::new(2);
        let (first, second) = (publish(&mut under_way), under_way.subscription(Instant::now()));
        assert_eq!(sent(&mut under_way), [first]);
        for _ in 0..2 * usize::from(u16::MAX) {
            let id = publish(&mut under_way);
            assert!(id != 0 && id != first && id != second);
            assert_eq!(sent(&mut under_way), [id]);
            under_way.acknowledged(id);
        }
        under_way.acknowledged(first);
        let all: Vec<_> = (0..u16::MAX).map(|_| (publish(&mut under_way), sent(&mut under_way).len())).collect();
        assert!(all.iter().any(|(id, _)| *id == first), "it is free again");
    }

    #[test]
    fn no_more_is_sent_than_the_hub_has_places_for_and_the_rest_follows_in_order() {
        let mut under_way = UnderWay::new(2);
        let ids: Vec<_> = (0..5).map(|_| publish(&mut under_way)).collect();
        assert_eq!(sent(&mut under_way), ids[..2]);
        let subscription = under_way.subscription(Instant::now());
        under_way.acknowledged(subscription);
        under_way.acknowledged(999);
        assert!(sent(&mut under_way).is_empty(), "neither is an acknowledgement of a publication");
        under_way.acknowledged(ids[1]);
        assert_eq!(sent(&mut under_way), [ids[2]]);
        under_way.acknowledged(ids[0]);
        under_way.acknowledged(ids[2]);
        assert_eq!(sent(&mut under_way), ids[3..]);
    }

    #[test]
    fn the_oldest_one_says_by_when_the_hub_has_to_acknowledge() {
        let (mut under_way, now) = (UnderWay::new(9), Instant::now());
        assert_eq!(under_way.due(), None);
        let first = publish(&mut under_way);
        under_way.next(now).unwrap();
        publish(&mut under_way);
        under_way.next(now + Duration::from_secs(7)).unwrap();
        assert_eq!(under_way.due(), Some(now + LONGEST));
        under_way.acknowledged(first);
        assert_eq!(under_way.due(), Some(now + Duration::from_secs(7) + LONGEST));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut under_way = UnderWay::new(1);
        for _ in 0..=MAX_WAITING {
            assert!(!under_way.is_overfull());
            publish(&mut under_way);
        }
        assert!(under_way.is_overfull());
        publish(&mut under_way);
        assert_eq!(under_way.waiting.len(), MAX_WAITING + 1);
    }
}
