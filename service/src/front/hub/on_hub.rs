//! A hub's part of a session: one device, its feeds, and what it asks.

use std::sync::Arc;

use firsthop_protocol::hub_topic::{Feed, Messages};
use firsthop_protocol::{Action, topic};
use rustls::pki_types::CertificateDer;
use tokio::time::Duration;

use super::super::access::Access;
use super::super::codec::{DisconnectReason, Filter, Publish, PublishProperties, QoS, SubscribeReason, Version, text};
use super::super::notice;
use super::super::session::{End, LONGEST, NoAccess, NotSubscribed, Role, Session};
use super::HubDoor;
use super::command::Commands;
use super::request::Progress;
use crate::domain::refusal::Refusal;
use crate::hub::{Admitted, Denied, HubMail, Post, SessionNumber};

pub struct OnHub {
    pub(super) door: Arc<HubDoor>,
    pub(super) admitted: Box<Admitted>,
    post: Arc<Post>,
    number: SessionNumber,
    pub(super) feeds: Vec<FeedFilter>,
    /// Subscriptions outlive the connection (clean session 0).
    pub(super) lasts: bool,
    /// The hub knows that methods are listened to.
    hears_methods: bool,
    pub(super) commands: Commands,
}

/// A subscription to what the hub itself sends.
#[derive(Debug)]
pub struct FeedFilter {
    pub(super) filter: Box<str>,
    pub(super) feed: Feed,
    pub(super) qos: QoS,
    /// MQTT 5 Subscription Identifier.
    identifier: Option<u32>,
}

/// What an admitted device may do with ordinary topics.
pub fn access(admitted: &Admitted) -> Access<'_> {
    Access { name: admitted.device.as_str(), id: &admitted.registration_id, grants: &admitted.topics }
}

impl OnHub {
    /// Makes this session the device's one.
    pub(super) fn enter(door: Arc<HubDoor>, admitted: Admitted, lasts: bool) -> Self {
        let post = Arc::new(Post::default());
        let number = door.hub.enter(&admitted.device, post.clone());
        Self {
            door,
            admitted: Box::new(admitted),
            post,
            number,
            feeds: Vec::new(),
            lasts,
            hears_methods: false,
            commands: Commands::default(),
        }
    }

    /// The QoS at which the client gets what the hub sends on that topic, and the identifiers of its subscriptions there; `None` when it
    /// does not listen.
    pub(super) fn hears(&self, feed: Feed, topic: &str) -> Option<(QoS, Vec<u32>)> {
        let matching =
            || self.feeds.iter().filter(|filter| filter.feed == feed && text::matches(&filter.filter, topic));
        let qos = matching().map(|filter| filter.qos).max()?;
        Some((qos, matching().filter_map(|filter| filter.identifier).collect()))
    }

    /// Others have ended the session: what the client still sends over it changes nothing that outlives it.
    pub(super) fn has_ended(&self) -> bool {
        self.post.has_ended()
    }

    fn hears_any(&self, feed: Feed) -> bool {
        self.feeds.iter().any(|filter| filter.feed == feed)
    }
}

impl Session<OnHub> {
    /// Publishes to a feed, if the client listens to it.
    pub(super) fn feed(&mut self, feed: Feed, topic: String, payload: Arc<[u8]>) {
        let Some((qos, subscription_identifiers)) = self.role.hears(feed, &topic) else { return };
        let properties = (self.version == Version::V5).then(|| {
            Box::new(PublishProperties {
                payload_format_indicator: Some(1),
                content_type: Some("application/json".to_owned()),
                subscription_identifiers,
                ..PublishProperties::default()
            })
        });
        let payload = bytes::Bytes::from_owner(payload);
        self.send(Publish { qos, topic, payload, properties, ..Publish::default() });
    }

    fn closed(&self, moved_to: Option<String>) -> End {
        if let Some(to) = moved_to {
            return End::moved(to);
        }
        match self.role.door.hub.device(&self.role.admitted.device) {
            Ok(_) => End::fault(DisconnectReason::AdministrativeAction, "the hub closed this session: connect again"),
            Err(refusal) if refusal.code.action() == Action::Retry => {
                End::fault(DisconnectReason::AdministrativeAction, refusal.message)
            }
            Err(refusal) => End::fault(DisconnectReason::NotAuthorized, refusal.message),
        }
    }
}

impl Role for OnHub {
    type Mail = HubMail;
    type Progress = Progress;
    /// The SDKs leave Nagle's algorithm on: their next request waits behind their acknowledgement of our last answer.
    const PROMPT: bool = true;
    const MOST: QoS = QoS::AtLeastOnce;

    fn name(&self) -> &str {
        self.admitted.device.as_str()
    }

    fn access(&mut self, _: &[CertificateDer<'_>]) -> Result<Access<'_>, NoAccess> {
        Ok(access(&self.admitted))
    }

    /// Until the first of its certificates expires.
    fn judged_for(&self) -> Duration {
        self.admitted.valid_until.since(self.door.hub.now()).min(LONGEST)
    }

    fn judge(&mut self, chain: &[CertificateDer<'_>]) -> Result<(), End> {
        let device = &self.admitted.device;
        if self.door.hub.now() < self.admitted.valid_until && self.door.hub.still_admits(device) {
            return Ok(());
        }
        match self.door.hub.admit(chain, Some(device)) {
            Ok(admitted) => {
                self.admitted.valid_until = admitted.valid_until;
                self.admitted.topics = admitted.topics;
                Ok(())
            }
            Err(Denied::NotAuthorized(refusal)) => {
                tracing::info!(told = refusal.message, detail = refusal.detail, "no longer admitted");
                Err(End::fault(DisconnectReason::NotAuthorized, refusal.message))
            }
            Err(Denied::Moved { to }) => Err(End::moved(to)),
            Err(Denied::Unavailable(why)) => Err(End::fault(DisconnectReason::ServerBusy, why)),
        }
    }

    fn time_is_over(&self) -> End {
        End::silent()
    }

    async fn next_mail(&self) -> HubMail {
        self.post.next().await
    }

    async fn ended(&self) {
        self.post.ended().await;
    }

    fn on_mail(session: &mut Session<Self>, mail: HubMail) -> Result<(), End> {
        match mail {
            HubMail::Desired(patch) => session.on_desired(patch),
            HubMail::Method { rid, name, payload } => session.on_method(rid, &name, payload),
            HubMail::Queued => session.on_queued(),
            HubMail::Notify(notice) => {
                if let Some((qos, identifiers)) = session.role.hears(Feed::Notices, topic::NOTIFY) {
                    let version = session.version;
                    session.send(notice::publication(notice::body(&notice), qos, version, identifiers));
                }
            }
            HubMail::TakenOver => {
                let why = "another connection of this device has taken over";
                return Err(End::fault(DisconnectReason::SessionTakenOver, why));
            }
            HubMail::Close { moved_to } => return Err(session.closed(moved_to)),
        }
        Ok(())
    }

    fn on_progress(session: &mut Session<Self>, progress: Progress) -> Result<(), End> {
        match progress {
            Progress::Reported { asked, outcome } => session.answer_report(&asked, outcome),
            Progress::Kept { receipt, outcome } => return session.on_kept(&receipt, outcome),
            Progress::Fetched { outcome, limit } => return session.on_fetched(outcome, limit),
            Progress::Written => session.on_written(),
            Progress::Completed(outcome) => session.on_completed(outcome),
        }
        Ok(())
    }

    fn takes_topic(&self, topic: &str) -> bool {
        topic::is_reserved(topic) || Messages::parse(topic, &self.admitted.device).is_some()
    }

    async fn on_publish(session: &mut Session<Self>, publish: Publish, _: &[CertificateDer<'_>]) -> Result<(), End> {
        session.on_hub_publish(publish).await
    }

    async fn publish_will(session: &mut Session<Self>, will: Publish) {
        session.publish_hub_will(will).await;
    }

    fn on_acknowledged(session: &mut Session<Self>, id: u16) {
        session.on_command_acknowledged(id);
    }

    fn takes_filter(&self, filter: &str) -> bool {
        let messages = Messages::parse(filter, &self.admitted.device);
        topic::is_reserved(filter) || matches!(messages, Some(Messages::DeviceBound(_)))
    }

    fn subscribe(&mut self, filter: &Filter, identifier: Option<u32>) -> Result<SubscribeReason, NotSubscribed> {
        let feed = Feed::of_filter(&filter.path, &self.admitted.device).ok_or_else(|| {
            (SubscribeReason::NotAuthorized, "this hub sends nothing that this filter names".to_owned())
        })?;
        let qos = filter.qos.min(QoS::AtLeastOnce);
        match self.feeds.iter_mut().find(|known| *known.filter == filter.path) {
            Some(known) => {
                known.qos = qos;
                known.identifier = identifier;
            }
            None => self.feeds.push(FeedFilter { filter: filter.path.as_str().into(), feed, qos, identifier }),
        }
        Ok(SubscribeReason::Granted(qos))
    }

    fn is_subscribed(&self, filter: &str) -> bool {
        self.feeds.iter().any(|known| *known.filter == *filter)
    }

    fn unsubscribe(&mut self, filter: &str) -> bool {
        let known = self.feeds.iter().position(|known| *known.filter == *filter);
        known.map(|at| self.feeds.swap_remove(at)).is_some()
    }

    fn subscriptions(&self) -> usize {
        self.feeds.len()
    }

    async fn keep_subscriptions(session: &mut Session<Self>) -> Result<(), Refusal> {
        session.keep_hub_subscriptions().await
    }

    fn subscriptions_changed(session: &mut Session<Self>) {
        let role = &mut session.role;
        let hears_methods = role.hears_any(Feed::Methods);
        if hears_methods != role.hears_methods {
            role.hears_methods = hears_methods;
            role.door.hub.listen_to_methods(&role.admitted.device, role.number, hears_methods);
        }
        session.on_queued();
    }

    async fn forget(session: &mut Session<Self>) {
        session.forget_subscriptions().await;
    }

    fn leave(&mut self) {
        self.door.hub.leave(&self.admitted.device, self.number);
    }

    async fn afterlife(session: Session<Self>) {
        session.finish_commands().await;
    }
}
