//! What an endpoint adds to a session: who the client is, and what the topics of its own mean.

use std::future::Future;

use rustls::pki_types::CertificateDer;
use tokio::time::Duration;

use super::super::access::Access;
use super::super::codec::{Filter, Publish, QoS, SubscribeReason};
use super::{End, Session};
use crate::domain::refusal::Refusal;

/// The longest that a session goes without being judged again.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why a filter was not subscribed to.
pub type NotSubscribed = (SubscribeReason, String);

/// Why a session may not use ordinary topics.
#[derive(Debug, PartialEq, Eq)]
pub enum NoAccess {
    /// It is not proven, or no longer: it ends.
    Refused(String),
    /// Not yet; says what the device has to do first.
    NotYet(&'static str),
}

/// The part of a session that depends on its endpoint. Most steps take the whole session, since what they cause is sent.
pub trait Role: Sized + Send + 'static {
    /// What others leave for the session.
    type Mail: Send;
    /// What a request that had to wait came to.
    type Progress: Send;
    /// Whether the client's TCP is told at once of what needs no answer (see `Transport::acknowledge_now`).
    const PROMPT: bool;

    /// The most that a subscription is granted.
    const MOST: QoS;

    /// The device's name in its own topics, `devices/{name}/`; empty when it has none.
    fn name(&self) -> &str;

    /// What the device may do with ordinary topics, as of now.
    fn access(&mut self, chain: &[CertificateDer<'_>]) -> Result<Access<'_>, NoAccess>;

    /// For how long the last judgement of the device holds; at most [`LONGEST`].
    fn judged_for(&self) -> Duration;

    /// Judges the device again.
    fn judge(&mut self, chain: &[CertificateDer<'_>]) -> Result<(), End>;

    /// Whether the session lasts as long as the client is heard; else it has a time limit.
    fn lasts(&self) -> bool {
        true
    }

    /// How a session ends whose time is over.
    fn time_is_over(&self) -> End;

    /// The next message of others. Cancel safe.
    fn next_mail(&self) -> impl Future<Output = Self::Mail> + Send;

    /// Comes when others have ended the session, whether or not it has taken the message that says so. Cancel safe.
    fn ended(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn on_mail(session: &mut Session<Self>, mail: Self::Mail) -> Result<(), End>;

    fn on_progress(session: &mut Session<Self>, progress: Self::Progress) -> Result<(), End>;

    /// Whether publications to this topic are answered here instead of going to the bus.
    fn takes_topic(&self, topic: &str) -> bool;

    fn on_publish(
        session: &mut Session<Self>,
        publish: Publish,
        chain: &[CertificateDer<'_>],
    ) -> impl Future<Output = Result<(), End>> + Send;

    /// Publishes the will, which may go to any topic that the client may publish to.
    fn publish_will(session: &mut Session<Self>, will: Publish) -> impl Future<Output = ()> + Send;

    /// The client has acknowledged a message, for good.
    fn on_acknowledged(session: &mut Session<Self>, id: u16);

    /// Whether subscriptions to this filter are kept here instead of on the bus.
    fn takes_filter(&self, filter: &str) -> bool;

    fn subscribe(&mut self, filter: &Filter, identifier: Option<u32>) -> Result<SubscribeReason, NotSubscribed>;

    /// Whether there is a subscription of this role's to exactly that filter.
    fn is_subscribed(&self, filter: &str) -> bool;

    /// Ends a subscription of this role's; `false`: there was none.
    fn unsubscribe(&mut self, filter: &str) -> bool;

    /// Subscriptions that this role keeps.
    fn subscriptions(&self) -> usize;

    /// Makes durable what the session subscribes to, where it shall last. Before the client is told.
    fn keep_subscriptions(session: &mut Session<Self>) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The client was told what it subscribes to now.
    fn subscriptions_changed(session: &mut Session<Self>);

    /// The client takes its leave for good: nothing is kept for a next connection.
    fn forget(session: &mut Session<Self>) -> impl Future<Output = ()> + Send;

    /// Others cannot reach the session from here on.
    fn leave(&mut self);

    /// After the connection: what is still under way.
    fn afterlife(session: Session<Self>) -> impl Future<Output = ()> + Send;
}
