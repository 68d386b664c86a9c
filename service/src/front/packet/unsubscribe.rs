//! UNSUBSCRIBE (MQTT 5 section 3.10).

use super::super::codec::{DisconnectReason, Reply, UnsubAck, Unsubscribe, UnsubscribeReason};
use super::super::session::{End, Role, Session};

impl<R: Role> Session<R> {
    pub(in super::super) async fn on_unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<(), End> {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            let existed = self.unsubscribe(filter).await;
            reasons.push(if existed { UnsubscribeReason::Success } else { UnsubscribeReason::NoSubscriptionExisted });
        }
        if let Err(refusal) = R::keep_subscriptions(self).await {
            // An acknowledgement would be a lie: the next session of this client would have them again.
            return Err(End::fault(DisconnectReason::UnspecifiedError, refusal.message));
        }
        R::subscriptions_changed(self);
        self.reply(&Reply::UnsubAck(UnsubAck { pkid: unsubscribe.pkid, reasons, problem: None }));
        Ok(())
    }

    /// Whether there was such a subscription.
    pub(super) async fn unsubscribe(&mut self, filter: &str) -> bool {
        self.role.unsubscribe(filter) || self.bus_unsubscribe(filter).await
    }
}
