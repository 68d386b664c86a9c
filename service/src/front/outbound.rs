//! Messages to one client: packet ids, the client's receive window, and a bounded queue behind it.

use std::collections::VecDeque;

use super::codec::{AckReply, Publish, QoS, Reply};

/// Most messages of QoS 1 and 2 that wait for the client's acknowledgements.
const QUEUE: usize = 64;
/// Most that are unacknowledged, whatever the client allows.
const WINDOW: usize = 32;

#[derive(Debug)]
pub struct Outbound {
    window: usize,
    last_id: u16,
    unacknowledged: Vec<(u16, Stage)>,
    waiting: VecDeque<Publish>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Published(QoS),
    Released,
}

/// The client leaves too much unacknowledged.
#[derive(Debug, PartialEq, Eq)]
pub struct Overflow;

impl Outbound {
    pub fn new(receive_maximum: Option<u16>) -> Self {
        let window = receive_maximum.map_or(WINDOW, |maximum| WINDOW.min(maximum.into())).max(1);
        Self { window, last_id: 0, unacknowledged: Vec::new(), waiting: VecDeque::new() }
    }

    /// Whether a message could be sent now, whatever its QoS.
    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many messages could be sent now, whatever their QoS.
    pub fn room(&self) -> usize {
        if self.waiting.is_empty() { self.window.saturating_sub(self.unacknowledged.len()) } else { 0 }
    }

    /// The message as it can be sent now; `None` when it waits for acknowledgements.
    pub fn send(&mut self, publish: Publish) -> Result<Option<Reply>, Overflow> {
        if publish.qos == QoS::AtMostOnce {
            return Ok(Some(Reply::Publish(publish)));
        }
        if self.unacknowledged.len() < self.window {
            return Ok(Some(self.number(publish)));
        }
        if self.waiting.len() >= QUEUE {
            return Err(Overflow);
        }
        self.waiting.push_back(publish);
        Ok(None)
    }

    /// The message with that id could not be written after all.
    pub fn not_sent(&mut self, id: u16) -> Option<Reply> {
        let at = self.unacknowledged.iter().position(|entry| entry.0 == id)?;
        self.unacknowledged.swap_remove(at);
        self.waiting.pop_front().map(|publish| self.number(publish))
    }

    /// PUBACK. An id that is not known is let pass: some clients acknowledge QoS 0 as well.
    pub fn acknowledged(&mut self, id: u16) -> Option<Reply> {
        self.done(id, Stage::Published(QoS::AtLeastOnce))
    }

    /// PUBREC. The answer is the PUBREL, or nothing when the client refused the message.
    pub fn received(&mut self, id: u16, refused: bool) -> Option<Reply> {
        if refused {
            return self.done(id, Stage::Published(QoS::ExactlyOnce));
        }
        if let Some(entry) = self.unacknowledged.iter_mut().find(|entry| entry.0 == id) {
            entry.1 = Stage::Released;
        }
        Some(Reply::PubRel(AckReply::success(id)))
    }

    /// PUBCOMP.
    pub fn completed(&mut self, id: u16) -> Option<Reply> {
        self.done(id, Stage::Released)
    }

    fn done(&mut self, id: u16, stage: Stage) -> Option<Reply> {
        let at = self.unacknowledged.iter().position(|entry| *entry == (id, stage))?;
        self.unacknowledged.swap_remove(at);
        self.waiting.pop_front().map(|publish| self.number(publish))
    }

    fn number(&mut self, mut publish: Publish) -> Reply {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            // At most `WINDOW` ids are taken, so a free one is soon found.
            if self.unacknowledged.iter().all(|(id, _)| *id != self.last_id) {
                break;
            }
        }
        publish.pkid = self.last_id;
        self.unacknowledged.push((self.last_id, Stage::Published(publish.qos)));
        Reply::Publish(publish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(qos: QoS) -> Publish {
        Publish { qos, topic: "t".into(), ..Publish::default() }
    }

    fn id(reply: Option<Reply>) -> Option<u16> {
        match reply? {
            Reply::Publish(publish) => Some(publish.pkid),
            Reply::PubRel(ack) => Some(ack.pkid),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_clients_window_holds_messages_back_until_it_acknowledges() {
        let mut outbound = Outbound::new(Some(1));
        assert!(outbound.has_room());
        assert_eq!(id(outbound.send(message(QoS::AtLeastOnce)).unwrap()), Some(1));
        assert!(!outbound.has_room());
        assert_eq!(outbound.send(message(QoS::AtLeastOnce)), Ok(None));
        assert_eq!(id(outbound.send(message(QoS::AtMostOnce)).unwrap()), Some(0));
        assert_eq!(outbound.acknowledged(9), None);
        assert_eq!(id(outbound.acknowledged(1)), Some(2));
        assert_eq!(outbound.acknowledged(2), None);
    }

    #[test]
    fn qos_2_keeps_its_id_until_pubcomp() {
        let mut outbound = Outbound::new(Some(1));
        assert_eq!(id(outbound.send(message(QoS::ExactlyOnce)).unwrap()), Some(1));
        assert_eq!(outbound.send(message(QoS::ExactlyOnce)), Ok(None));
        assert_eq!(outbound.acknowledged(1), None, "a PUBACK does not end QoS 2");
        assert_eq!(id(outbound.received(1, false)), Some(1));
        assert_eq!(id(outbound.completed(1)), Some(2));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut outbound = Outbound::new(Some(1));
        for _ in 0..=QUEUE {
            outbound.send(message(QoS::AtLeastOnce)).unwrap();
        }
        assert_eq!(outbound.send(message(QoS::AtLeastOnce)), Err(Overflow));
    }

    #[test]
    fn ids_run_round_without_zero() {
        let mut outbound = Outbound::new(None);
        for _ in 0..70_000 {
            let sent = id(outbound.send(message(QoS::AtLeastOnce)).unwrap()).unwrap();
            assert_ne!(sent, 0);
            outbound.acknowledged(sent);
        }
    }
}
