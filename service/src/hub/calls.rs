//! Direct methods under way for one device: they wait until a session listens, are sent once, and end with that session.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::post::{HubMail, Post};
use super::sessions::SessionNumber;

/// Most direct methods under way for one device.
pub(super) const MAX_CALLS: usize = 10;

/// A method to be called.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: Arc<str>,
    pub(super) payload: Arc<[u8]>,
}

/// What the device answered.
#[derive(Debug, PartialEq)]
pub(super) struct MethodAnswer {
    pub(super) status: i32,
    pub(super) payload: Value,
}

#[derive(Default)]
pub(super) struct Calls(Vec<Call>);

struct Call {
    rid: u64,
    /// Taken when it is sent.
    waiting: Option<(Method, oneshot::Sender<()>)>,
    sent_to: Option<SessionNumber>,
    answer: oneshot::Sender<MethodAnswer>,
}

/// Where the caller learns what becomes of a call.
pub(super) struct Progress {
    /// Comes when the call is sent to a session.
    pub(super) sent: oneshot::Receiver<()>,
    /// Comes when the device answers; an error when the session ended first.
    pub(super) answer: oneshot::Receiver<MethodAnswer>,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn begin(&mut self, rid: u64, method: Method) -> Progress {
        let ((send, sent), (give, answer)) = (oneshot::channel(), oneshot::channel());
        self.0.push(Call { rid, waiting: Some((method, send)), sent_to: None, answer: give });
        Progress { sent, answer }
    }

    /// Sends what waits. `false`: the session did not keep up and ends.
    pub(super) fn send(&mut self, to: SessionNumber, post: &Post) -> bool {
        self.0.iter_mut().all(|call| {
            let Some((Method { name, payload }, sent)) = call.waiting.take() else { return true };
            call.sent_to = Some(to);
            let lives = post.leave(HubMail::Method { rid: call.rid, name, payload });
            // Who called may have given up meanwhile.
            let _ = lives.then(|| sent.send(()));
            lives
        })
    }

    /// Hands the answer to who called; `false`: nobody waits for it. A call that was not sent yet cannot be answered by guessing.
    pub(super) fn answer(&mut self, rid: u64, answer: MethodAnswer) -> bool {
        let at = self.0.iter().position(|call| call.rid == rid && call.sent_to.is_some());
        at.is_some_and(|at| self.0.swap_remove(at).answer.send(answer).is_ok())
    }

    pub(super) fn give_up(&mut self, rid: u64) {
        self.0.retain(|call| call.rid != rid);
    }

    /// Ends those that were sent to that session. The device may have done them: they are not sent a second time.
    pub(super) fn end(&mut self, session: SessionNumber) {
        self.0.retain(|call| call.sent_to != Some(session));
    }
}
