//! What other connections leave for a session: small, bounded, and empty most of the time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::answer::AnswerMessage;

/// Most messages that wait in one mailbox.
const CAPACITY: usize = 16;

/// A message to a session.
#[derive(Debug)]
pub enum Mail {
    /// An answer that another connection of the same identity asked for.
    Answer(AnswerMessage),
    /// A newcomer with the same identity and client id.
    TakenOver,
    /// A newcomer with the same identity, which has all the sessions it may have.
    Displaced,
}

/// One session's mailbox. An idle one holds no heap memory.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<VecDeque<Mail>>,
    arrived: Notify,
}

impl Mailbox {
    /// Leaves a message; gives it back when the box is full. An end of the session always fits.
    pub fn post(&self, mail: Mail) -> Result<(), Mail> {
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= CAPACITY && matches!(mail, Mail::Answer(_)) {
                return Err(mail);
            }
            match mail {
                Mail::Answer(_) => waiting.push_back(mail),
                // The session ends: nothing that waits behind it matters.
                end => waiting.push_front(end),
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// The next message. Cancel safe.
    pub async fn next(&self) -> Mail {
        loop {
            let mail = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match mail {
                Some(mail) => return mail,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Takes an answer that came too late for the session to send.
    pub fn take_answer(&self) -> Option<AnswerMessage> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mail) = waiting.pop_front() {
            if let Mail::Answer(answer) = mail {
                return Some(answer);
            }
        }
        None
    }
}
