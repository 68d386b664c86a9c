//! What the decisions need from outside, as traits. Implemented on the outer floor, called by the provisioner.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::{ETag, RegistrationId, Timestamp};

use super::device::Device;
use super::registration::{Registered, Registration};

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, went away, or refused.
    #[error("the store cannot write now: {0}")]
    Unavailable(Arc<str>),
    /// A row is not what this version wrote.
    #[error("the store is damaged: {0}")]
    Damaged(Arc<str>),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Why a decision was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The record is not at the expected etag: read it again and decide again.
    #[error("the registration changed meanwhile (now at {})", current.map_or("none".to_owned(), |tag| tag.to_string()))]
    Conflict { current: Option<ETag> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One decision: record, indexes and registry entry change together or not at all.
#[derive(Debug, Clone)]
pub struct Decision {
    pub registration: Registration,
    /// The etag the decision was made at; `None`: the registration must not exist yet.
    pub expected: Option<ETag>,
    /// The registry entry, when it changes.
    pub device: Option<Device>,
}

/// The future of a commit.
pub type Committing<'a> = Pin<Box<dyn Future<Output = Result<ETag, CommitError>> + Send + 'a>>;

/// Keeps registrations and the device registry. A commit that returned `Ok` survives a crash and a power cut.
pub trait Store: Send + Sync + 'static {
    fn registration(&self, id: &RegistrationId) -> Result<Option<Registered>, StoreError>;

    fn device(&self, id: &RegistrationId) -> Result<Option<Device>, StoreError>;

    /// Commits durably, together with whatever else waits to be committed, and returns the record's new etag.
    fn commit(&self, decision: Decision) -> Committing<'_>;
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// By the calendar; may jump when it is set.
    fn now(&self) -> Timestamp;

    /// Since some fixed point, on a clock that never goes back.
    fn uptime(&self) -> Duration;
}
