//! SUBSCRIBE: answers of the reserved tree, or ordinary topics under the access list (MQTT 5 section 3.8).

use firsthop_protocol::topic::{self, Answers};
use rustls::pki_types::CertificateDer;

use super::super::codec::{Filter, Problem, QoS, Reply, SubAck, Subscribe, SubscribeReason};
use super::super::identity::{NoAccess, REGISTER_FIRST};
use super::super::session::{AnswerFilter, Session};

impl Session {
    pub(in super::super) async fn on_subscribe(&mut self, subscribe: Subscribe, chain: &[CertificateDer<'_>]) {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut problem = None;
        let mut answers = false;
        let mut retained = Vec::new();
        for filter in &subscribe.filters {
            let outcome = if filter.path.starts_with("$share/") {
                Err((
                    SubscribeReason::SharedSubscriptionsNotSupported,
                    "shared subscriptions are not offered".to_owned(),
                ))
            } else if topic::is_reserved(&filter.path) {
                answers = true;
                self.subscribe_answers(filter, subscribe.identifier)
            } else {
                self.subscribe_ordinary(filter, subscribe.identifier, chain, &mut retained).await
            };
            reasons.push(outcome.unwrap_or_else(|(reason, why)| {
                tracing::debug!(filter = filter.path, why, "subscription refused");
                problem = Some(Box::new(Problem::because(why)));
                reason
            }));
        }
        self.reply(&Reply::SubAck(SubAck { pkid: subscribe.pkid, reasons, problem }));
        for delivery in retained {
            self.deliver(delivery);
        }
        if answers {
            self.listen();
            self.send_kept_answer();
        }
    }

    fn subscribe_answers(
        &mut self,
        filter: &Filter,
        identifier: Option<u32>,
    ) -> Result<SubscribeReason, (SubscribeReason, String)> {
        let answers = Answers::of_filter(&filter.path).ok_or_else(|| {
            (SubscribeReason::NotAuthorized, "only a device's own answers can be subscribed to here".to_owned())
        })?;
        let qos = filter.qos.min(QoS::AtLeastOnce);
        if let Some(known) = self.answers.iter_mut().find(|known| *known.filter == filter.path) {
            known.qos = qos;
            known.identifier = identifier;
            return Ok(SubscribeReason::Granted(qos));
        }
        self.has_room()?;
        self.answers.push(AnswerFilter { filter: filter.path.as_str().into(), answers, qos, identifier });
        Ok(SubscribeReason::Granted(qos))
    }

    async fn subscribe_ordinary(
        &mut self,
        filter: &Filter,
        identifier: Option<u32>,
        chain: &[CertificateDer<'_>],
        retained: &mut Vec<super::super::bus::Delivery>,
    ) -> Result<SubscribeReason, (SubscribeReason, String)> {
        let denied = |why: &str| (SubscribeReason::NotAuthorized, why.to_owned());
        match self.identity.access(&self.door.provisioner, chain).map(|access| access.may_subscribe(&filter.path)) {
            Ok(true) => {}
            Ok(false) => {
                return Err(denied(&format!(
                    "this device may not subscribe to this filter; its own topics are below devices/{}/",
                    self.label()
                )));
            }
            Err(NoAccess::Unregistered) => return Err(denied(REGISTER_FIRST)),
            Err(NoAccess::Refused(why)) => return Err(denied(&why)),
        }
        if !self.ordinary.is_subscribed(&filter.path) {
            self.has_room()?;
        }
        self.bus_subscribe(filter, identifier, retained).await
    }

    fn has_room(&self) -> Result<(), (SubscribeReason, String)> {
        let limit = self.door.limits.subscriptions;
        if self.subscriptions() < limit {
            Ok(())
        } else {
            Err((SubscribeReason::QuotaExceeded, format!("a session may have {limit} subscriptions")))
        }
    }
}
