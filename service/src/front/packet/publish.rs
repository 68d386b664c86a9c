//! PUBLISH: a topic of the endpoint's own, or an ordinary message (MQTT 5 section 3.3).

use rustls::pki_types::CertificateDer;

use super::super::bus::BusError;
use super::super::codec::{AckReason, AckReply, DisconnectReason, Problem, Publish, QoS, Reply, Version};
use super::super::session::{End, NoAccess, Role, Session};

impl<R: Role> Session<R> {
    pub(in super::super) async fn on_publish(
        &mut self,
        publish: Publish,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), End> {
        if publish.qos == QoS::ExactlyOnce {
            if self.received.contains(&publish.pkid) {
                // Sent again because our PUBREC was late.
                self.reply(&Reply::PubRec(AckReply::success(publish.pkid)));
                return Ok(());
            }
            if self.received.len() >= usize::from(self.endpoint.limits.in_flight.max(1)) {
                return Err(End::fault(
                    DisconnectReason::ReceiveMaximumExceeded,
                    "more QoS 2 messages than the receive maximum",
                ));
            }
        }
        if self.role.takes_topic(&publish.topic) {
            R::on_publish(self, publish, chain).await
        } else {
            self.on_ordinary_publish(publish, chain).await
        }
    }

    async fn on_ordinary_publish(&mut self, publish: Publish, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        match self.role.access(chain).map(|access| access.may_publish(&publish.topic)) {
            Ok(true) => {}
            Ok(false) => {
                let why = format!(
                    "this device may not publish to this topic; its own are below devices/{}/",
                    self.role.name()
                );
                return self.refuse_publish(&publish, AckReason::NotAuthorized, &why);
            }
            Err(NoAccess::NotYet(why)) => return self.refuse_publish(&publish, AckReason::NotAuthorized, why),
            Err(NoAccess::Refused(why)) => return Err(End::fault(DisconnectReason::NotAuthorized, why)),
        }
        match self.publish_ordinary(&publish).await {
            Ok(()) => {
                self.acknowledge(&publish, AckReason::Success);
                Ok(())
            }
            Err(error) => self.refuse_publish(&publish, reason(error), &error.to_string()),
        }
    }

    /// Takes the message over: from here on it is ours.
    pub(in super::super) fn acknowledge(&mut self, publish: &Publish, reason: AckReason) {
        let ack = AckReply { pkid: publish.pkid, reason, problem: None };
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.reply(&Reply::PubAck(ack)),
            QoS::ExactlyOnce => {
                self.received.push(publish.pkid);
                self.reply(&Reply::PubRec(ack));
            }
        }
    }

    /// MQTT 5 says why in the acknowledgement. MQTT 3.1.1 can only acknowledge, which would be a lie, or close ([MQTT-3.3.5-2]).
    pub(in super::super) fn refuse_publish(
        &mut self,
        publish: &Publish,
        reason: AckReason,
        why: &str,
    ) -> Result<(), End> {
        tracing::debug!(topic = publish.topic, qos = publish.qos as u8, why, "publication refused");
        if self.version == Version::V311 {
            return Err(End::quiet("a publication was refused"));
        }
        let ack = AckReply { pkid: publish.pkid, reason, problem: Some(Box::new(Problem::because(why))) };
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.reply(&Reply::PubAck(ack)),
            QoS::ExactlyOnce => self.reply(&Reply::PubRec(ack)),
        }
        Ok(())
    }
}

/// What an MQTT 5 client is told of a message that the bus did not take.
pub fn reason(error: BusError) -> AckReason {
    match error {
        BusError::SharedSubscription | BusError::Reserved | BusError::Invalid(_) | BusError::TooManyLevels(_) => {
            AckReason::TopicNameInvalid
        }
        BusError::RetainedFull
        | BusError::TooLarge
        | BusError::TooManySubscriptions(_)
        | BusError::TooManyFilters(_)
        | BusError::TooManyLinks(_) => AckReason::QuotaExceeded,
        BusError::Busy | BusError::RouterLost => AckReason::UnspecifiedError,
    }
}
