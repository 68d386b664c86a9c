//! The provisioning endpoint's part of a session: the reserved tree `$provisioning/`, and who may register.

mod connect;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use firsthop_protocol::topic::{self, Answers, Request};
use rustls::pki_types::CertificateDer;
use tokio::time::Duration;

use super::access::Access;
use super::codec::{AckReason, DisconnectReason, Filter, Publish, QoS, SubscribeReason};
use super::door::Door;
use super::identity::Identity;
use super::mailbox::Mail;
use super::notice;
use super::registry::{Post, SessionNumber};
use super::session::{End, LONGEST, NoAccess, NotSubscribed, Role, Session};
use crate::domain::refusal::Refusal;

use request::Progress;

pub struct Provisioning {
    door: Arc<Door>,
    identity: Identity,
    answers: Vec<AnswerFilter>,
    post: Arc<Post>,
    /// None for a stranger, whom no other session can reach.
    number: Option<SessionNumber>,
}

/// A subscription to answers or notices.
#[derive(Debug)]
struct AnswerFilter {
    filter: Box<str>,
    answers: Answers,
    qos: QoS,
    /// MQTT 5 Subscription Identifier.
    identifier: Option<u32>,
}

impl Provisioning {
    fn new(door: Arc<Door>, identity: Identity, client_id: &str) -> Self {
        let post = Arc::new(Post::default());
        let number = identity.principal().map(|device| door.registry.enter(device, client_id, post.clone()));
        Self { door, identity, answers: Vec::new(), post, number }
    }

    fn listening(&self) -> Answers {
        self.answers.iter().fold(Answers::default(), |all, filter| all.union(filter.answers))
    }
}

impl Session<Provisioning> {
    /// Tells the client that it should register again.
    fn send_notice(&mut self, body: Bytes) {
        let listening = self.role.answers.iter().filter(|filter| filter.answers.has_notices());
        let (qos, identifiers): (Vec<QoS>, Vec<_>) = listening.map(|filter| (filter.qos, filter.identifier)).unzip();
        // It may have unsubscribed meanwhile.
        let Some(qos) = qos.into_iter().max() else { return };
        let identifiers = identifiers.into_iter().flatten().collect();
        self.send(notice::publication(body, qos, self.version, identifiers));
    }
}

impl Role for Provisioning {
    type Mail = Mail;
    type Progress = Progress;
    /// A device asks once and leaves: nothing of it waits behind its acknowledgement.
    const PROMPT: bool = false;
    const MOST: QoS = QoS::ExactlyOnce;

    fn name(&self) -> &str {
        self.identity.id().map(|id| id.as_str()).unwrap_or_default()
    }

    fn access(&mut self, chain: &[CertificateDer<'_>]) -> Result<Access<'_>, NoAccess> {
        self.identity.access(&self.door.provisioner, chain)
    }

    /// Until the first of its certificates expires. A stranger's time is limited anyway.
    fn judged_for(&self) -> Duration {
        let now = self.door.provisioner.now();
        self.identity.known_proof().map_or(LONGEST, |proof| proof.valid_until.since(now).min(LONGEST))
    }

    fn judge(&mut self, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        match self.identity.proof(&self.door.provisioner, chain) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(End::fault(DisconnectReason::NotAuthorized, refusal.message.clone())),
        }
    }

    fn lasts(&self) -> bool {
        self.number.is_some()
    }

    fn time_is_over(&self) -> End {
        match &self.identity {
            Identity::Device { .. } => End::silent(),
            Identity::Stranger(refusal) => End::fault(DisconnectReason::NotAuthorized, refusal.message.clone()),
        }
    }

    async fn next_mail(&self) -> Mail {
        self.post.mailbox.next().await
    }

    fn on_mail(session: &mut Session<Self>, mail: Mail) -> Result<(), End> {
        match mail {
            Mail::Answer(message) => {
                session.send_answer(message);
                Ok(())
            }
            Mail::Notice(body) => {
                session.send_notice(body);
                Ok(())
            }
            Mail::TakenOver => Err(End::fault(
                DisconnectReason::SessionTakenOver,
                "another connection of this device has the same client id",
            )),
            Mail::Displaced => Err(End::fault(
                DisconnectReason::QuotaExceeded,
                "this device has opened as many newer sessions as it may have",
            )),
        }
    }

    fn on_progress(session: &mut Session<Self>, progress: Progress) -> Result<(), End> {
        session.on_progress(progress);
        Ok(())
    }

    fn takes_topic(&self, topic: &str) -> bool {
        topic::is_reserved(topic)
    }

    async fn on_publish(
        session: &mut Session<Self>,
        publish: Publish,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), End> {
        match Request::parse(&publish.topic) {
            Some(_) if publish.retain => session.refuse_publish(
                &publish,
                AckReason::ImplementationSpecificError,
                "nothing is retained in the reserved tree",
            ),
            Some((request, format)) => session.on_request(&publish, request, format, chain),
            None => {
                if let Identity::Stranger(refusal) = &session.role.identity {
                    return Err(End::fault(DisconnectReason::NotAuthorized, refusal.message.clone()));
                }
                session.refuse_publish(&publish, AckReason::TopicNameInvalid, "no such topic in the reserved tree")
            }
        }
    }

    async fn publish_will(session: &mut Session<Self>, will: Publish) {
        session.publish_ordinary_will(&will).await;
    }

    fn on_acknowledged(_: &mut Session<Self>, _: u16) {}

    fn takes_filter(&self, filter: &str) -> bool {
        topic::is_reserved(filter)
    }

    fn subscribe(&mut self, filter: &Filter, identifier: Option<u32>) -> Result<SubscribeReason, NotSubscribed> {
        let answers = Answers::of_filter(&filter.path).ok_or_else(|| {
            (SubscribeReason::NotAuthorized, "only a device's own answers can be subscribed to here".to_owned())
        })?;
        let qos = filter.qos.min(QoS::AtLeastOnce);
        match self.answers.iter_mut().find(|known| *known.filter == filter.path) {
            Some(known) => {
                known.qos = qos;
                known.identifier = identifier;
            }
            None => {
                self.answers.push(AnswerFilter { filter: filter.path.as_str().into(), answers, qos, identifier });
            }
        }
        Ok(SubscribeReason::Granted(qos))
    }

    fn is_subscribed(&self, filter: &str) -> bool {
        self.answers.iter().any(|known| *known.filter == *filter)
    }

    fn unsubscribe(&mut self, filter: &str) -> bool {
        let known = self.answers.iter().position(|known| *known.filter == *filter);
        known.map(|at| self.answers.swap_remove(at)).is_some()
    }

    fn subscriptions(&self) -> usize {
        self.answers.len()
    }

    /// Nothing of a session outlives its connection here.
    async fn keep_subscriptions(_: &mut Session<Self>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn forget(_: &mut Session<Self>) {}

    fn subscriptions_changed(session: &mut Session<Self>) {
        session.role.post.listen(session.role.listening());
        session.send_kept_answer();
    }

    fn leave(&mut self) {
        if let (Some(device), Some(number)) = (self.identity.principal(), self.number) {
            self.door.registry.leave(device, number);
        }
    }

    async fn afterlife(session: Session<Self>) {
        session.hand_over_answers().await;
    }
}
