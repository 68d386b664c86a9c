//! Who is connected: sessions by identity, and answers that found no listener.
//!
//! The client-id registry lies below the identity, so a client id can never reach another identity's session.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firsthop_protocol::Timestamp;
use firsthop_protocol::topic::Answers;
use lru::LruCache;

use super::answer::AnswerMessage;
use super::mailbox::{Mail, Mailbox};
use super::notice;
use crate::domain::attestation::Principal;
use crate::domain::ports::{Notice, Sessions};

/// How long an answer without a listener is kept.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How many are kept; past it the oldest goes first.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A session's number, never used again in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionNumber(u64);

pub struct Registry {
    per_identity: usize,
    numbers: AtomicU64,
    sessions: Mutex<HashMap<Principal, Vec<Entry>>>,
    kept: Mutex<LruCache<Principal, (Timestamp, AnswerMessage)>>,
}

struct Entry {
    number: SessionNumber,
    client_id: Box<str>,
    post: Arc<Post>,
}

/// Where others reach a session.
#[derive(Debug, Default)]
pub struct Post {
    pub mailbox: Mailbox,
    listening: AtomicU16,
}

impl Post {
    /// Says which answers the session subscribes to.
    pub fn listen(&self, answers: Answers) {
        self.listening.store(answers.bits(), Ordering::Relaxed);
    }

    fn listening(&self) -> Answers {
        Answers::from_bits(self.listening.load(Ordering::Relaxed))
    }

    fn listens_to(&self, message: &AnswerMessage) -> bool {
        message.topic_among(self.listening()).is_some()
    }
}

impl Registry {
    pub fn new(per_identity: usize) -> Self {
        Self {
            per_identity: per_identity.max(1),
            numbers: AtomicU64::new(0),
            sessions: Mutex::default(),
            kept: Mutex::new(LruCache::new(KEPT)),
        }
    }

    /// Enters a session. One of the same identity with the same client id is taken over; past the limit the oldest one ends.
    pub fn enter(&self, id: &Principal, client_id: &str, post: Arc<Post>) -> SessionNumber {
        let number = SessionNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let mut displaced = Vec::new();
        {
            let mut sessions = lock(&self.sessions);
            let own = sessions.entry(id.clone()).or_default();
            if let Some(at) = own.iter().position(|entry| *entry.client_id == *client_id) {
                displaced.push((own.remove(at).post, Mail::TakenOver));
            } else if own.len() >= self.per_identity {
                displaced.push((own.remove(0).post, Mail::Displaced));
            }
            own.push(Entry { number, client_id: client_id.into(), post });
        }
        for (post, mail) in displaced {
            // An end always fits the mailbox.
            let _ = post.mailbox.post(mail);
        }
        number
    }

    pub fn leave(&self, id: &Principal, number: SessionNumber) {
        let mut sessions = lock(&self.sessions);
        if let Some(own) = sessions.get_mut(id) {
            own.retain(|entry| entry.number != number);
            if own.is_empty() {
                sessions.remove(id);
            }
        }
    }

    /// Whether a session of the identity other than the asking one listens for one of these answers.
    pub fn has_listener(&self, id: &Principal, except: SessionNumber, answers: Answers) -> bool {
        let sessions = lock(&self.sessions);
        sessions.get(id).is_some_and(|own| {
            own.iter().any(|entry| entry.number != except && entry.post.listening().intersects(answers))
        })
    }

    /// Hands an answer to another session of the identity, or keeps it for one that subscribes soon.
    pub fn deliver_or_keep(&self, id: &Principal, except: SessionNumber, message: AnswerMessage, now: Timestamp) {
        let mut message = message;
        let others: Vec<Arc<Post>> = {
            let sessions = lock(&self.sessions);
            let own = sessions.get(id).map(Vec::as_slice).unwrap_or_default();
            own.iter()
                .filter(|entry| entry.number != except && entry.post.listens_to(&message))
                .map(|entry| entry.post.clone())
                .collect()
        };
        for post in others {
            match post.mailbox.post(Mail::Answer(message)) {
                Ok(()) => return,
                Err(Mail::Answer(back)) => message = back,
                Err(_) => return,
            }
        }
        lock(&self.kept).put(id.clone(), (now, message));
    }

    /// The answer that was kept for the identity, if one of these subscriptions covers it.
    pub fn take_kept(&self, id: &Principal, answers: Answers, now: Timestamp) -> Option<AnswerMessage> {
        let mut kept = lock(&self.kept);
        let (at, message) = kept.peek(id)?;
        if now.since(*at) >= KEPT_FOR {
            kept.pop(id);
            return None;
        }
        message.topic_among(answers)?;
        kept.pop(id).map(|(_, message)| message)
    }

    /// Sessions of proven identities.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        lock(&self.sessions).values().map(Vec::len).sum()
    }
}

impl Sessions for Registry {
    fn notify(&self, device: &Principal, notice: &Notice) -> bool {
        let posts: Vec<Arc<Post>> = {
            let sessions = lock(&self.sessions);
            let own = sessions.get(device).map(Vec::as_slice).unwrap_or_default();
            own.iter().filter(|entry| entry.post.listening().has_notices()).map(|entry| entry.post.clone()).collect()
        };
        if posts.is_empty() {
            return false;
        }
        let body = notice::body(notice);
        // No short cut: every session is told.
        posts.iter().filter(|post| post.mailbox.post(Mail::Notice(body.clone())).is_ok()).count() > 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use firsthop_protocol::body::EnrollmentName;
    use firsthop_protocol::topic::Request;
    use firsthop_protocol::{Format, GroupId, OperationId, RegistrationId, RequestId};
    use futures_util::FutureExt;

    use super::super::answer::{self, Asked};
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn id(name: &str) -> Principal {
        below("factory", name)
    }

    fn below(group: &str, name: &str) -> Principal {
        Principal {
            id: RegistrationId::parse(name).unwrap(),
            enrollment: EnrollmentName::Group(GroupId::parse(group).unwrap()),
        }
    }

    fn answers(filter: &str) -> Answers {
        Answers::of_filter(filter).unwrap()
    }

    /// A `pending` answer to a registration, told apart by its rid.
    fn message(rid: &str) -> AnswerMessage {
        let asked = Asked {
            request: Request::Register,
            format: Format::Json,
            rid: RequestId::parse(rid).ok(),
            candidates: None,
            response_topic: None,
            correlation: None,
            span: tracing::Span::none(),
        };
        answer::pending(asked, OperationId::random(), "commit")
    }

    fn is(message: &AnswerMessage, rid: &str) -> bool {
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        body["rid"] == rid
    }

    fn mail(post: &Post) -> Option<Mail> {
        post.mailbox.next().now_or_never()
    }

    struct Session {
        number: SessionNumber,
        post: Arc<Post>,
    }

    fn enter(registry: &Registry, identity: &str, client_id: &str) -> Session {
        let post = Arc::new(Post::default());
        Session { number: registry.enter(&id(identity), client_id, post.clone()), post }
    }

    #[test]
    fn a_newcomer_with_the_same_identity_and_client_id_takes_over() {
        let registry = Registry::new(4);
        let old = enter(&registry, "dev-1", "c");
        let new = enter(&registry, "dev-1", "c");
        assert!(matches!(mail(&old.post), Some(Mail::TakenOver)));
        assert!(mail(&new.post).is_none());
        assert_eq!(registry.len(), 1);
        // The old session leaves when it has ended, which must not remove the new one.
        registry.leave(&id("dev-1"), old.number);
        assert_eq!(registry.len(), 1);
        registry.leave(&id("dev-1"), new.number);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn another_identity_with_the_same_client_id_takes_over_nothing() {
        let registry = Registry::new(1);
        let one = enter(&registry, "dev-1", "c");
        let two = enter(&registry, "dev-2", "c");
        assert!(mail(&one.post).is_none() && mail(&two.post).is_none());
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn the_same_id_below_another_group_is_another_identity() {
        let registry = Registry::new(1);
        let (owner, rival) = (below("factory", "dev-1"), below("rival", "dev-1"));
        let posts = [(); 2].map(|()| Arc::new(Post::default()));
        let number = registry.enter(&owner, "c", posts[0].clone());
        registry.enter(&rival, "c", posts[1].clone());
        assert!(mail(&posts[0]).is_none() && mail(&posts[1]).is_none());
        posts[1].listen(answers("$provisioning/register/#"));
        registry.deliver_or_keep(&owner, number, message("1"), NOW);
        assert!(mail(&posts[1]).is_none());
        assert!(registry.take_kept(&rival, answers("$provisioning/register/#"), NOW).is_none());
        assert!(registry.take_kept(&owner, answers("$provisioning/register/#"), NOW).is_some());
    }

    #[test]
    fn past_the_limit_the_oldest_session_of_the_identity_ends() {
        let registry = Registry::new(2);
        let sessions = ["a", "b", "c"].map(|client_id| enter(&registry, "dev-1", client_id));
        assert!(matches!(mail(&sessions[0].post), Some(Mail::Displaced)));
        assert!(mail(&sessions[1].post).is_none() && mail(&sessions[2].post).is_none());
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn an_answer_goes_to_another_session_of_the_identity_that_listens() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-1", "asking");
        let deaf = enter(&registry, "dev-1", "deaf");
        let listening = enter(&registry, "dev-1", "listening");
        let stranger = enter(&registry, "dev-2", "stranger");
        for session in [&asking, &listening, &stranger] {
            session.post.listen(answers("$provisioning/register/#"));
        }
        deaf.post.listen(answers("$provisioning/status/#"));
        assert!(registry.has_listener(&id("dev-1"), asking.number, answers("$provisioning/register/pending")));
        registry.deliver_or_keep(&id("dev-1"), asking.number, message("1"), NOW);
        assert!(matches!(mail(&listening.post), Some(Mail::Answer(answer)) if is(&answer, "1")));
        assert!([&asking, &deaf, &stranger].iter().all(|session| mail(&session.post).is_none()));
        assert!(
            registry.take_kept(&id("dev-1"), answers("$provisioning/register/#"), NOW).is_none(),
            "it is delivered once"
        );
    }

    #[test]
    fn only_a_listener_other_than_the_asking_session_counts() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-1", "asking");
        asking.post.listen(answers("$provisioning/register/#"));
        assert!(!registry.has_listener(&id("dev-1"), asking.number, answers("$provisioning/register/#")));
        let other = enter(&registry, "dev-1", "other");
        other.post.listen(answers("$provisioning/status/#"));
        assert!(!registry.has_listener(&id("dev-1"), asking.number, answers("$provisioning/register/#")));
        assert!(registry.has_listener(&id("dev-1"), asking.number, answers("$provisioning/status/response")));
    }

    #[test]
    fn every_session_of_the_device_that_listens_to_notices_is_told() {
        let registry = Registry::new(4);
        let sessions = ["a", "b", "deaf"].map(|client_id| enter(&registry, "dev-1", client_id));
        let stranger = enter(&registry, "dev-2", "a");
        let notice = Notice { reason: "drain".into(), not_before: None, spread: 30 };
        assert!(!registry.notify(&id("dev-1"), &notice), "nobody listens yet");
        for session in &sessions[..2] {
            session.post.listen(answers("$provisioning/notify"));
        }
        stranger.post.listen(answers("$provisioning/notify"));
        sessions[2].post.listen(answers("$provisioning/register/#"));
        assert!(registry.notify(&id("dev-1"), &notice));
        for session in &sessions[..2] {
            let Some(Mail::Notice(body)) = mail(&session.post) else { panic!("no notice") };
            assert_eq!(body, r#"{"reason":"drain","spread":30}"#);
        }
        assert!(mail(&sessions[2].post).is_none() && mail(&stranger.post).is_none());
    }

    #[test]
    fn an_answer_without_a_listener_is_kept_for_sixty_seconds() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-1", "asking");
        registry.deliver_or_keep(&id("dev-1"), asking.number, message("1"), NOW);
        let late = NOW.plus(Duration::from_secs(59));
        assert!(
            registry.take_kept(&id("dev-2"), answers("$provisioning/register/#"), late).is_none(),
            "it is nobody else's"
        );
        assert!(
            registry.take_kept(&id("dev-1"), answers("$provisioning/status/#"), late).is_none(),
            "another question's listener"
        );
        assert!(
            registry.take_kept(&id("dev-1"), answers("$provisioning/register/accepted"), late).is_none(),
            "another answer's listener"
        );
        let kept = registry.take_kept(&id("dev-1"), answers("$provisioning/register/pending"), late);
        assert!(kept.is_some_and(|kept| is(&kept, "1")));
        assert!(
            registry.take_kept(&id("dev-1"), answers("$provisioning/register/pending"), late).is_none(),
            "it is taken once"
        );

        registry.deliver_or_keep(&id("dev-1"), asking.number, message("2"), NOW);
        let too_late = NOW.plus(Duration::from_secs(60));
        assert!(registry.take_kept(&id("dev-1"), answers("$provisioning/register/#"), too_late).is_none());
        assert!(
            registry.take_kept(&id("dev-1"), answers("$provisioning/register/#"), NOW).is_none(),
            "it is gone for good"
        );
    }

    #[test]
    fn of_two_kept_answers_the_later_one_stays() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-1", "asking");
        registry.deliver_or_keep(&id("dev-1"), asking.number, message("1"), NOW);
        registry.deliver_or_keep(&id("dev-1"), asking.number, message("2"), NOW);
        let kept = registry.take_kept(&id("dev-1"), answers("$provisioning/register/#"), NOW).unwrap();
        assert!(is(&kept, "2"));
    }

    #[test]
    fn an_answer_that_a_full_mailbox_gives_back_is_kept() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-1", "asking");
        let slow = enter(&registry, "dev-1", "slow");
        slow.post.listen(answers("$provisioning/register/#"));
        for rid in 0..100 {
            registry.deliver_or_keep(&id("dev-1"), asking.number, message(&rid.to_string()), NOW);
        }
        let kept = registry.take_kept(&id("dev-1"), answers("$provisioning/register/#"), NOW).unwrap();
        assert!(is(&kept, "99"));
    }

    #[test]
    fn kept_answers_are_bounded() {
        let registry = Registry::new(4);
        let asking = enter(&registry, "dev-0", "asking");
        for number in 0..=KEPT.get() {
            registry.deliver_or_keep(&id(&format!("dev-{number}")), asking.number, message("1"), NOW);
        }
        let all = answers("$provisioning/register/#");
        assert!(registry.take_kept(&id("dev-0"), all, NOW).is_none(), "the oldest went");
        assert!(registry.take_kept(&id("dev-1"), all, NOW).is_some());
        assert!(registry.take_kept(&id(&format!("dev-{KEPT}")), all, NOW).is_some());
    }
}
