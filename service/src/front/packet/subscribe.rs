//! SUBSCRIBE: topics of the endpoint's own, or ordinary topics under the access list (MQTT 5 section 3.8).

use rustls::pki_types::CertificateDer;

use super::super::bus::Delivery;
use super::super::codec::{Filter, Problem, Reply, SubAck, Subscribe, SubscribeReason};
use super::super::session::{NoAccess, NotSubscribed, Role, Session};

impl<R: Role> Session<R> {
    pub(in super::super) async fn on_subscribe(&mut self, subscribe: Subscribe, chain: &[CertificateDer<'_>]) {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut problem = None;
        let mut retained = Vec::new();
        for filter in &subscribe.filters {
            let outcome = self.subscribe(filter, subscribe.identifier, chain, &mut retained).await;
            reasons.push(outcome.unwrap_or_else(|(reason, why)| {
                tracing::debug!(filter = filter.path, why, "subscription refused");
                problem = Some(Box::new(Problem::because(why)));
                reason
            }));
        }
        if let Err(refusal) = R::keep_subscriptions(self).await {
            // None of them lasts as the client wants it, so it has none of them.
            for filter in &subscribe.filters {
                self.unsubscribe(&filter.path).await;
            }
            reasons.fill(SubscribeReason::UnspecifiedError);
            problem = Some(Box::new(Problem::because(refusal.message)));
            retained.clear();
        }
        self.reply(&Reply::SubAck(SubAck { pkid: subscribe.pkid, reasons, problem }));
        for delivery in retained {
            self.deliver(delivery);
        }
        R::subscriptions_changed(self);
    }

    /// Subscribes to one filter, wherever it belongs.
    pub(in super::super) async fn subscribe(
        &mut self,
        filter: &Filter,
        identifier: Option<u32>,
        chain: &[CertificateDer<'_>],
        retained: &mut Vec<Delivery>,
    ) -> Result<SubscribeReason, NotSubscribed> {
        if filter.path.starts_with("$share/") {
            return Err((
                SubscribeReason::SharedSubscriptionsNotSupported,
                "shared subscriptions are not offered".to_owned(),
            ));
        }
        if self.role.takes_filter(&filter.path) {
            if !self.role.is_subscribed(&filter.path) {
                self.has_room()?;
            }
            return self.role.subscribe(filter, identifier);
        }
        self.may_subscribe(&filter.path, chain)?;
        if !self.ordinary.is_subscribed(&filter.path) {
            self.has_room()?;
        }
        let granted = Filter { qos: filter.qos.min(R::MOST), ..filter.clone() };
        self.bus_subscribe(&granted, identifier, retained).await
    }

    fn may_subscribe(&mut self, filter: &str, chain: &[CertificateDer<'_>]) -> Result<(), NotSubscribed> {
        let denied = |why: &str| (SubscribeReason::NotAuthorized, why.to_owned());
        match self.role.access(chain).map(|access| access.may_subscribe(filter)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(denied(&format!(
                "this device may not subscribe to this filter; its own topics are below devices/{}/",
                self.role.name()
            ))),
            Err(NoAccess::NotYet(why)) => Err(denied(why)),
            Err(NoAccess::Refused(why)) => Err(denied(&why)),
        }
    }

    pub(in super::super) fn has_room(&self) -> Result<(), NotSubscribed> {
        let limit = self.endpoint.limits.subscriptions;
        if self.subscriptions() < limit {
            Ok(())
        } else {
            Err((SubscribeReason::QuotaExceeded, format!("a session may have {limit} subscriptions")))
        }
    }
}
