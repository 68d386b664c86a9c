//! Operations under way and lately done: one at a time per device, and the same `rid` is the same operation.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firsthop_protocol::{ErrorCode, OperationId, RegisterRequest, RequestId, Timestamp};
use lru::LruCache;
use tokio::sync::watch;

use super::Granted;
use crate::domain::attestation::Principal;
use crate::domain::refusal::Refusal;

/// How long a `rid` names the same operation.
pub(super) const REMEMBERED: Duration = Duration::from_secs(600);
/// How many names are remembered; past it the one used longest ago is forgotten first.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// What an operation does besides the steps of a move, as told to devices.
pub(super) const DECIDING: &str = "commit";
pub(super) const ALLOCATING: &str = "allocating";

pub(super) type Outcome = Result<Granted, Refusal>;

pub(super) struct Operations {
    under_way: Mutex<HashMap<Principal, UnderWay>>,
    recent: Mutex<LruCache<(Principal, RequestId), (OperationId, Timestamp)>>,
}

struct UnderWay {
    content: Arc<RegisterRequest>,
    phase: &'static str,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// The caller's part in an operation.
pub(super) enum Part<'a> {
    /// Do it.
    Lead(Lead<'a>),
    /// It is being done: wait for the outcome. `None` when whoever did it went away.
    Join(watch::Receiver<Option<Outcome>>),
}

/// The right to do the operation of one device. Ends with the outcome, or without one when dropped.
pub(super) struct Lead<'a> {
    operations: &'a Operations,
    id: Principal,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Default for Operations {
    fn default() -> Self {
        Self { under_way: Mutex::default(), recent: Mutex::new(LruCache::new(CAPACITY)) }
    }
}

impl Operations {
    /// Begins an operation or joins the one of the same content; another content at the same time is refused (409).
    pub fn begin(&self, id: &Principal, content: &Arc<RegisterRequest>) -> Result<Part<'_>, Refusal> {
        let mut under_way = lock(&self.under_way);
        if let Some(other) = under_way.get(id) {
            return if same_content(&other.content, content) {
                Ok(Part::Join(other.outcome.clone()))
            } else {
                Err(Refusal::new(
                    ErrorCode::RegistrationUnderWay,
                    "this device is registering at this moment with other content",
                )
                .retry_after(1))
            };
        }
        let (sender, outcome) = watch::channel(None);
        under_way.insert(id.clone(), UnderWay { content: content.clone(), phase: DECIDING, outcome });
        Ok(Part::Lead(Lead { operations: self, id: id.clone(), outcome: sender }))
    }

    /// What the operation of that device is doing.
    pub fn phase(&self, id: &Principal) -> Option<&'static str> {
        lock(&self.under_way).get(id).map(|under_way| under_way.phase)
    }

    /// The operation that this `rid` named within the last ten minutes.
    pub fn recall(&self, id: &Principal, rid: &RequestId, now: Timestamp) -> Option<OperationId> {
        let mut recent = lock(&self.recent);
        let (operation, at) = *recent.get(&(id.clone(), rid.clone()))?;
        (now.since(at) < REMEMBERED).then_some(operation)
    }

    pub fn remember(&self, id: &Principal, rid: &RequestId, operation: OperationId, now: Timestamp) {
        lock(&self.recent).put((id.clone(), rid.clone()), (operation, now));
    }
}

impl Lead<'_> {
    pub fn phase(&self, phase: &'static str) {
        if let Some(under_way) = lock(&self.operations.under_way).get_mut(&self.id) {
            under_way.phase = phase;
        }
    }

    pub fn finish(self, outcome: &Outcome) {
        // Joiners hold a receiver each; without any there is nothing to tell.
        if self.outcome.receiver_count() > 1 {
            self.outcome.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        lock(&self.operations.under_way).remove(&self.id);
    }
}

/// Whether two requests ask for the same. What a client calls a request, and how long it waits, is not part of it.
fn same_content(one: &RegisterRequest, other: &RegisterRequest) -> bool {
    let content =
        |request: &RegisterRequest| RegisterRequest { rid: None, wait: None, api_version: None, ..request.clone() };
    content(one) == content(other)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use firsthop_protocol::body::EnrollmentName;
    use firsthop_protocol::{GroupId, RegistrationId};

    use super::*;

    fn device(name: &str) -> Principal {
        Principal {
            id: RegistrationId::parse(name).unwrap(),
            enrollment: EnrollmentName::Group(GroupId::parse("factory").unwrap()),
        }
    }

    fn id() -> Principal {
        device("dev-1")
    }

    fn content(model: &str) -> Arc<RegisterRequest> {
        Arc::new(RegisterRequest { model: Some(model.into()), ..RegisterRequest::default() })
    }

    #[test]
    fn the_same_content_joins_and_other_content_is_refused() {
        let operations = Operations::default();
        let Ok(Part::Lead(lead)) = operations.begin(&id(), &content("a")) else { panic!("the first leads") };
        let Ok(Part::Join(outcome)) = operations.begin(&id(), &content("a")) else { panic!("the second joins") };
        let Err(refusal) = operations.begin(&id(), &content("b")) else { panic!("other content is refused") };
        assert_eq!(refusal.code, ErrorCode::RegistrationUnderWay);
        lead.finish(&Err(Refusal::new(ErrorCode::NoHub, "x")));
        assert!(matches!(&*outcome.borrow(), Some(Err(refusal)) if refusal.code == ErrorCode::NoHub));
        assert!(matches!(operations.begin(&id(), &content("b")), Ok(Part::Lead(_))));
    }

    #[test]
    fn a_lead_that_goes_away_lets_the_next_one_lead() {
        let operations = Operations::default();
        let Ok(Part::Lead(lead)) = operations.begin(&id(), &content("a")) else { panic!() };
        let Ok(Part::Join(outcome)) = operations.begin(&id(), &content("a")) else { panic!() };
        drop(lead);
        assert!(outcome.has_changed().is_err());
        assert!(matches!(operations.begin(&id(), &content("a")), Ok(Part::Lead(_))));
    }

    #[test]
    fn a_rid_names_the_same_operation_for_ten_minutes() {
        let operations = Operations::default();
        let (rid, operation, start) =
            (RequestId::parse("7").unwrap(), OperationId::random(), Timestamp::from_secs(1_000));
        operations.remember(&id(), &rid, operation, start);
        assert_eq!(operations.recall(&id(), &rid, start.plus(Duration::from_secs(599))), Some(operation));
        assert_eq!(operations.recall(&id(), &rid, start.plus(Duration::from_secs(600))), None);
        assert_eq!(operations.recall(&device("dev-2"), &rid, start), None);
    }
}
