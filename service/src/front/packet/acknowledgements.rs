//! PUBACK, PUBREC, PUBREL, PUBCOMP: the client's half of QoS 1 and 2.

use super::super::codec::{Ack, AckReason, AckReply, Reply};
use super::super::session::{Role, Session};

impl<R: Role> Session<R> {
    pub(in super::super) fn on_puback(&mut self, ack: Ack) {
        if let Some(next) = self.outbound.acknowledged(ack.pkid) {
            self.put(next);
        }
        R::on_acknowledged(self, ack.pkid);
    }

    pub(in super::super) fn on_pubrec(&mut self, ack: Ack) {
        if let Some(next) = self.outbound.received(ack.pkid, ack.reason.is_failure()) {
            self.put(next);
        }
    }

    pub(in super::super) fn on_pubcomp(&mut self, ack: Ack) {
        if let Some(next) = self.outbound.completed(ack.pkid) {
            self.put(next);
        }
    }

    pub(in super::super) fn on_pubrel(&mut self, ack: Ack) {
        let known = self.received.iter().position(|id| *id == ack.pkid);
        let reason = match known {
            Some(at) => {
                self.received.swap_remove(at);
                AckReason::Success
            }
            None => AckReason::PacketIdentifierNotFound,
        };
        self.reply(&Reply::PubComp(AckReply { pkid: ack.pkid, reason, problem: None }));
    }
}
