//! What others leave for a device's session: small, bounded, and empty most of the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::ports::Notice;

/// Most messages that wait for one session.
const CAPACITY: usize = 16;

/// A message to a device's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubMail {
    /// Desired properties changed: the patch with its `$version`, as JSON.
    Desired(Arc<[u8]>),
    /// A direct method: to be published to `$iothub/methods/POST/{name}/?$rid={rid}`.
    Method { rid: u64, name: Arc<str>, payload: Arc<[u8]> },
    /// Messages wait in the command queue.
    Queued,
    /// Please register again (rule C7).
    Notify(Notice),
    /// The session ends: a newcomer of the same device has taken over.
    TakenOver,
    /// The session ends: the device moved, to that address where it is known, or its standing changed, or it did not keep up.
    Close { moved_to: Option<String> },
}

impl HubMail {
    fn ends_the_session(&self) -> bool {
        matches!(self, Self::TakenOver | Self::Close { .. })
    }
}

/// Where others reach a session. An idle one holds no heap memory. Bounded: a session that does not keep up is closed, so that its
/// device connects again and asks for its state.
#[derive(Debug, Default)]
pub struct Post {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    mail: VecDeque<HubMail>,
    /// The end was posted: nothing comes after it.
    ended: bool,
}

impl Post {
    /// Leaves a message; an end of the session always fits. `false`: the session has ended, or ends because its post is full.
    pub(super) fn leave(&self, mail: HubMail) -> bool {
        let lives = self.lock().take(mail);
        self.arrived.notify_one();
        lives
    }

    /// The next message. Cancel safe. The end of the session is the last one.
    pub async fn next(&self) -> HubMail {
        loop {
            let mail = self.lock().mail.pop_front();
            match mail {
                Some(mail) => return mail,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Whether the end of the session was posted.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Comes when the end of the session was posted. Cancel safe; not to be awaited beside [`Self::next`].
    pub async fn ended(&self) {
        while !self.has_ended() {
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, mail: HubMail) -> bool {
        if self.ended {
            return false;
        }
        if mail.ends_the_session() {
            self.end(mail);
            return false;
        }
        let same = self.mail.iter().position(|waiting| {
            matches!((waiting, &mail), (HubMail::Queued, HubMail::Queued) | (HubMail::Notify(_), HubMail::Notify(_)))
        });
        if let Some(waiting) = same.and_then(|at| self.mail.get_mut(at)) {
            // Once is enough, and the newest notice counts.
            *waiting = mail;
        } else if self.mail.len() < CAPACITY {
            self.mail.push_back(mail);
        } else {
            self.end(HubMail::Close { moved_to: None });
        }
        !self.ended
    }

    /// Nothing that waits before the end matters any more.
    fn end(&mut self, end: HubMail) {
        self.mail.clear();
        self.mail.push_back(end);
        self.ended = true;
    }
}
