//! Who is connected: sessions by identity, and answers that found no listener.
//!
//! The client-id registry lies below the identity, so a client id can never reach another identity's session.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firsthop_protocol::topic::Answers;
use firsthop_protocol::{RegistrationId, Timestamp};
use lru::LruCache;

use super::answer::AnswerMessage;
use super::mailbox::{Mail, Mailbox};

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
    sessions: Mutex<HashMap<RegistrationId, Vec<Entry>>>,
    kept: Mutex<LruCache<RegistrationId, (Timestamp, AnswerMessage)>>,
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
    listening: AtomicU8,
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
    pub fn enter(&self, id: &RegistrationId, client_id: &str, post: Arc<Post>) -> SessionNumber {
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

    pub fn leave(&self, id: &RegistrationId, number: SessionNumber) {
        let mut sessions = lock(&self.sessions);
        if let Some(own) = sessions.get_mut(id) {
            own.retain(|entry| entry.number != number);
            if own.is_empty() {
                sessions.remove(id);
            }
        }
    }

    /// Whether a session of the identity other than the asking one listens for one of these answers.
    pub fn has_listener(&self, id: &RegistrationId, except: SessionNumber, answers: Answers) -> bool {
        let sessions = lock(&self.sessions);
        sessions.get(id).is_some_and(|own| own.iter().any(|entry| entry.number != except && entry.post.listening().intersects(answers)))
    }

    /// Hands an answer to another session of the identity, or keeps it for one that subscribes soon.
    pub fn deliver_or_keep(&self, id: &RegistrationId, except: SessionNumber, message: AnswerMessage, now: Timestamp) {
        let mut message = message;
        let others: Vec<Arc<Post>> = {
            let sessions = lock(&self.sessions);
            let own = sessions.get(id).map(Vec::as_slice).unwrap_or_default();
            own.iter().filter(|entry| entry.number != except && entry.post.listens_to(&message)).map(|entry| entry.post.clone()).collect()
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
    pub fn take_kept(&self, id: &RegistrationId, answers: Answers, now: Timestamp) -> Option<AnswerMessage> {
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
    pub fn len(&self) -> usize {
        lock(&self.sessions).values().map(Vec::len).sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
