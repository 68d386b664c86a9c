//! Device-bound messages: held until somebody accepts them, and acknowledged then.

use bytes::Bytes;
use firsthop_protocol::property_bag;
use tokio::sync::mpsc;

use super::{OnHub, malformed};
use crate::device::update::{Answer, Call, Message, Update};
use crate::flow::Failure;
use crate::packet::RECEIVE_MAX;

/// Most device-bound messages that are held for somebody to take. A hub of MQTT 5 is told, and one of 3.1.1 has fewer under way.
const MAX_HELD: usize = RECEIVE_MAX as usize;

/// A message that nobody has accepted.
pub(super) struct Held {
    packet_id: u16,
    properties: String,
    body: Bytes,
    state: Offer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Due,
    /// When so many had asked for messages.
    Made(u64),
    /// It came back. It is not offered again before somebody asks anew, so that who drops each does not get each at once again.
    Returned,
}

impl OnHub {
    /// Listens to device-bound messages when somebody wants them, and offers those that are held.
    pub fn attend_messages(&mut self, wanted: bool, updates: &mpsc::Sender<Update>, answers: &mpsc::Sender<Answer>) {
        if wanted != self.listens_to_messages {
            self.session.want_messages(wanted);
            self.listens_to_messages = wanted;
        }
        if !wanted {
            return;
        }
        for held in self.held.iter_mut().filter(|held| held.state == Offer::Due) {
            let (Ok(place), Ok(answer)) = (updates.try_reserve(), answers.clone().try_reserve_owned()) else { return };
            let properties = property_bag::parse(&held.properties).unwrap_or_default();
            let call = Call { connection: self.number, packet_id: held.packet_id };
            place.send(Update::Message(Message::new(properties, held.body.clone(), call, answer)));
            held.state = Offer::Made(self.asked);
        }
    }

    /// Whether a message waits to be offered.
    pub fn has_offers(&self) -> bool {
        self.listens_to_messages && self.held.iter().any(|held| held.state == Offer::Due)
    }

    /// Somebody asks for messages anew.
    pub fn offer_again(&mut self) {
        self.asked += 1;
        for held in self.held.iter_mut().filter(|held| held.state == Offer::Returned) {
            held.state = Offer::Due;
        }
    }

    /// Keeps a message until somebody accepts it. At QoS 0 there is nothing to acknowledge, and it would be lost with us: a hub that was
    /// asked for QoS 1 does not send it so.
    pub fn hold_message(&mut self, packet_id: Option<u16>, properties: String, body: Bytes) -> Result<(), Failure> {
        let Some(packet_id) = packet_id else {
            tracing::debug!("a device-bound message at QoS 0");
            return Ok(());
        };
        if self.held.len() >= MAX_HELD {
            return Err(malformed("more device-bound messages than may be under way"));
        }
        self.held.push(Held { packet_id, properties, body, state: Offer::Due });
        Ok(())
    }

    /// Somebody dealt with a message, or gave it back.
    pub fn message_answered(&mut self, packet_id: u16, accepted: bool) {
        let Some(at) = self.held.iter().position(|held| held.packet_id == packet_id) else { return };
        if accepted {
            self.held.remove(at);
            self.session.acknowledge(packet_id);
        } else if let Some(held) = self.held.get_mut(at) {
            // Who asked since the offer may be asked before what came back is heard of.
            let asked_since = matches!(held.state, Offer::Made(asked) if asked < self.asked);
            held.state = if asked_since { Offer::Due } else { Offer::Returned };
        }
    }
}
