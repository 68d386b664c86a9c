//! UNSUBSCRIBE (MQTT 5 section 3.10).

use super::super::codec::{Reply, UnsubAck, Unsubscribe, UnsubscribeReason};
use super::super::session::Session;

impl Session {
    pub(in super::super) async fn on_unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            let existed = match self.answers.iter().position(|known| *known.filter == **filter) {
                Some(at) => {
                    self.answers.swap_remove(at);
                    true
                }
                None => self.bus_unsubscribe(filter).await,
            };
            reasons.push(if existed { UnsubscribeReason::Success } else { UnsubscribeReason::NoSubscriptionExisted });
        }
        self.listen();
        self.reply(&Reply::UnsubAck(UnsubAck { pkid: unsubscribe.pkid, reasons, problem: None }));
    }
}
