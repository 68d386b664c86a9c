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

#[cfg(test)]
mod tests {
    use firsthop_protocol::topic::Request;
    use firsthop_protocol::{Format, OperationId, RequestId};
    use futures_util::FutureExt;

    use super::super::answer::{self, Asked};
    use super::*;

    fn answer(rid: usize) -> Mail {
        let asked = Asked {
            request: Request::Register,
            format: Format::Json,
            rid: RequestId::parse(&rid.to_string()).ok(),
            response_topic: None,
            correlation: None,
        };
        Mail::Answer(answer::pending(asked, OperationId::random()))
    }

    fn body(mail: Option<Mail>) -> String {
        match mail {
            Some(Mail::Answer(answer)) => String::from_utf8(answer.body.to_vec()).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn taken(mailbox: &Mailbox) -> Option<Mail> {
        mailbox.next().now_or_never()
    }

    #[test]
    fn answers_come_out_in_their_order_and_an_empty_box_waits() {
        let mailbox = Mailbox::default();
        assert!(taken(&mailbox).is_none());
        for rid in 1..=2 {
            mailbox.post(answer(rid)).unwrap();
        }
        assert!(body(taken(&mailbox)).contains(r#""rid":"1""#));
        assert!(body(taken(&mailbox)).contains(r#""rid":"2""#));
        assert!(taken(&mailbox).is_none());
    }

    #[test]
    fn a_full_box_gives_an_answer_back_and_still_takes_the_end() {
        let mailbox = Mailbox::default();
        for rid in 0..CAPACITY {
            mailbox.post(answer(rid)).unwrap();
        }
        assert!(body(mailbox.post(answer(CAPACITY)).err()).contains(&format!(r#""rid":"{CAPACITY}""#)));
        mailbox.post(Mail::TakenOver).unwrap();
        assert!(matches!(taken(&mailbox), Some(Mail::TakenOver)), "the end comes first");
        assert!(body(taken(&mailbox)).contains(r#""rid":"0""#));
    }

    #[test]
    fn answers_that_a_session_did_not_send_can_be_taken_back() {
        let mailbox = Mailbox::default();
        mailbox.post(answer(1)).unwrap();
        mailbox.post(Mail::Displaced).unwrap();
        assert!(body(mailbox.take_answer().map(Mail::Answer)).contains(r#""rid":"1""#));
        assert!(mailbox.take_answer().is_none());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        let waiting = tokio::spawn({
            let mailbox = mailbox.clone();
            async move { mailbox.next().await }
        });
        tokio::task::yield_now().await;
        mailbox.post(Mail::Displaced).unwrap();
        assert!(matches!(waiting.await.unwrap(), Mail::Displaced));
    }
}
