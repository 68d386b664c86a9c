//! What other connections leave for a session: small, bounded, and empty most of the time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::answer::AnswerMessage;

/// Most messages that wait in one mailbox.
const CAPACITY: usize = 16;

/// A message to a session.
#[derive(Debug)]
pub enum Mail {
    /// An answer that another connection of the same identity asked for.
    Answer(AnswerMessage),
    /// What is published to `$provisioning/notify`.
    Notice(Bytes),
    /// A newcomer with the same identity and client id.
    TakenOver,
    /// A newcomer with the same identity, which has all the sessions it may have.
    Displaced,
}

/// One session's mailbox. An idle one holds no heap memory.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    mail: VecDeque<Mail>,
    /// Nobody will read any more.
    closed: bool,
}

impl Mailbox {
    /// Leaves a message; gives it back when the box is full or nobody reads it any more. An end of the session always fits.
    pub fn post(&self, mail: Mail) -> Result<(), Mail> {
        {
            let mut waiting = self.lock();
            let ends = matches!(mail, Mail::TakenOver | Mail::Displaced);
            if waiting.closed || (waiting.mail.len() >= CAPACITY && !ends) {
                return Err(mail);
            }
            match mail {
                Mail::Answer(_) | Mail::Notice(_) => waiting.mail.push_back(mail),
                // The session ends: nothing that waits behind it matters.
                end => waiting.mail.push_front(end),
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// The next message. Cancel safe.
    pub async fn next(&self) -> Mail {
        loop {
            let mail = self.lock().mail.pop_front();
            match mail {
                Some(mail) => return mail,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Ends the box. The answers that were in it are for somebody else.
    pub fn close(&self) -> impl Iterator<Item = AnswerMessage> + use<> {
        let mail = {
            let mut waiting = self.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.mail)
        };
        mail.into_iter().filter_map(|mail| match mail {
            Mail::Answer(answer) => Some(answer),
            Mail::Notice(_) | Mail::TakenOver | Mail::Displaced => None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
            candidates: None,
            response_topic: None,
            correlation: None,
            span: tracing::Span::none(),
        };
        Mail::Answer(answer::pending(asked, OperationId::random(), "commit"))
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
    fn a_closed_box_hands_out_its_answers_and_takes_nothing_more() {
        let mailbox = Mailbox::default();
        mailbox.post(answer(1)).unwrap();
        mailbox.post(Mail::Displaced).unwrap();
        let left: Vec<_> = mailbox.close().map(Mail::Answer).collect();
        assert_eq!(left.len(), 1);
        assert!(body(left.into_iter().next()).contains(r#""rid":"1""#));
        assert!(body(mailbox.post(answer(2)).err()).contains(r#""rid":"2""#), "it comes back");
        assert!(mailbox.post(Mail::TakenOver).is_err());
        assert!(taken(&mailbox).is_none());
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
