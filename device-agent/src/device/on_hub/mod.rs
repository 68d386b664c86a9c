//! The device while it is on a hub: its twin is kept in step, telemetry goes out, methods and messages come in.

mod messages;
mod pace;
mod twin;

use std::time::Duration;

use bytes::Bytes;
use firsthop_protocol::hub_topic;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::messages::Held;
use self::pace::Pace;
use self::twin::TwinRequest;
pub(super) use self::twin::{Answered, patch_of};
use super::forward::Forwarding;
use super::update::{Answer, MethodCall, Update};
use crate::Error;
use crate::flow::{Class, Failure, Policy};
use crate::hub::Session;

/// One connection, and what is under way on it.
pub(super) struct OnHub {
    pub session: Session,
    /// Tells the connections of this process apart: an answer to an earlier one has nowhere to go.
    pub number: u64,
    pub forwarding: Forwarding,
    /// Whether the twin has to be read.
    pub read_twin: bool,
    request: Option<TwinRequest>,
    last_rid: u64,
    timeout: Duration,
    pace: Pace,
    listens_to_messages: bool,
    held: Vec<Held>,
    /// How often somebody asked for messages.
    asked: u64,
}

impl OnHub {
    pub fn new(session: Session, number: u64, timeout: Duration, policy: &Policy) -> Self {
        Self {
            session,
            number,
            forwarding: Forwarding::new(),
            read_twin: true,
            request: None,
            last_rid: 0,
            timeout,
            pace: Pace::new(policy),
            listens_to_messages: false,
            held: Vec::new(),
            asked: 0,
        }
    }

    /// When something is to be done although nothing comes.
    pub fn wake(&self) -> Option<Instant> {
        let request = self.request.as_ref().map(|request| request.by);
        [request, self.pace.wake(), self.forwarding.wake()].into_iter().flatten().min()
    }

    /// A hub that does not answer is as good as gone.
    pub fn overdue(&self, now: Instant) -> Option<Error> {
        let overdue = self.request.as_ref().is_some_and(|request| request.by <= now);
        overdue.then(|| self.session.unanswered())
    }

    /// Hands a method call to the device's owner, or answers it where that cannot be.
    pub fn call_method(
        &mut self,
        (name, rid, payload): (String, String, Bytes),
        updates: &mpsc::Sender<Update>,
        answers: &mpsc::Sender<Answer>,
    ) {
        match (updates.try_reserve(), answers.clone().try_reserve_owned()) {
            (Ok(place), Ok(answer)) => {
                place.send(Update::Method(MethodCall::new(name, payload, self.number, rid, answer)));
            }
            (Err(mpsc::error::TrySendError::Closed(())), _) => {
                self.answer_method(&rid, 503, error("nobody takes calls"))
            }
            _ => self.answer_method(&rid, 429, error("too many calls are under way")),
        }
    }

    /// Answers a method call.
    pub fn answer_method(&mut self, rid: &str, status: i32, payload: Vec<u8>) {
        if self.session.publish(hub_topic::method_answer(status, rid), Bytes::from(payload)).is_none() {
            let topic = hub_topic::method_answer(500, rid);
            self.session.publish(topic, Bytes::from(error("the answer is larger than the hub takes")));
        }
    }
}

fn error(message: &str) -> Vec<u8> {
    serde_json::json!({ "error": message }).to_string().into_bytes()
}

/// A hub that says what no hub says is taken for one that is not well.
fn malformed(message: &str) -> Failure {
    Failure {
        class: Class::Unavailable,
        retry_after: None,
        register: false,
        instead: None,
        message: format!("the hub broke its protocol: {message}"),
    }
}
