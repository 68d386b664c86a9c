//! Direct methods: each is a program that the operator allowed, with fixed arguments. There is no shell, and nothing of the call but its
//! payload reaches the program, on its standard input.
//!
//! | status | payload | when |
//! |---|---|---|
//! | 200 | `exitCode` 0, `stdout` or `output`, `stderr` | the program ended well; what it wrote is `output` where that is JSON |
//! | 202 | `accepted` | it answers first, and runs from now on |
//! | 400 | `error` | the payload is larger than a program is given |
//! | 404 | `error` | there is no such method |
//! | 429 | `error` | as many programs run as may |
//! | 500 | `exitCode` or `signal`, `stdout` or `output`, `stderr` | the program ended otherwise, or cannot be run (`error`) |
//! | 504 | `error`, `stdout` or `output`, `stderr` | its time was over; it and what it started were killed |

mod answer;
mod pipe;
mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firsthop_agent::device::MethodCall;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use answer::Answer;

/// Programs that run at the same time, at most.
const MAX_RUNNING: usize = 4;
/// The largest payload: what a hub takes of a call.
const MAX_PAYLOAD: usize = 128 * 1024;
/// How long a program that answers first is held back, so that the answer is away before, say, the network goes down.
const HEAD_START: Duration = Duration::from_secs(1);

/// A method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// What it is always given.
    pub arguments: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How much of each of its outputs an answer has at most, in bytes of JSON text.
    pub output: usize,
    /// Whether the call is answered before the program runs.
    pub answer_first: bool,
}

/// The methods, and those that run.
#[derive(Debug, Clone)]
pub struct Methods {
    allowed: Arc<BTreeMap<String, Method>>,
    places: Arc<Semaphore>,
}

/// A method that may run now.
#[derive(Debug)]
struct Run {
    name: String,
    method: Method,
    payload: Bytes,
    _place: OwnedSemaphorePermit,
}

impl Methods {
    pub fn new(allowed: BTreeMap<String, Method>) -> Self {
        Self { allowed: Arc::new(allowed), places: Arc::new(Semaphore::new(MAX_RUNNING)) }
    }

    /// Other methods, for calls from now on.
    pub fn allow(&mut self, allowed: BTreeMap<String, Method>) {
        self.allowed = Arc::new(allowed);
    }

    /// Answers a call. Dropped before its end, it kills the program.
    pub async fn serve(self, call: MethodCall) {
        match self.admit(&call.name, &call.payload) {
            Err(refused) => {
                tracing::info!(method = cut(&call.name), status = refused.status, "a method was refused");
                call.answer(refused.status, refused.payload());
            }
            Ok(run) if run.method.answer_first => {
                let accepted = Answer::accepted();
                call.answer(accepted.status, accepted.payload());
                tokio::time::sleep(HEAD_START).await;
                run.finish().await;
            }
            Ok(run) => {
                let answer = run.finish().await;
                call.answer(answer.status, answer.payload());
            }
        }
    }

    fn admit(&self, name: &str, payload: &Bytes) -> Result<Run, Answer> {
        // The names that there are stay on the device.
        let method = self.allowed.get(name).ok_or_else(|| Answer::refused(404, "there is no such method"))?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Answer::refused(
                400,
                &format!("the payload may have {MAX_PAYLOAD} bytes, not {}", payload.len()),
            ));
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Answer::refused(429, &format!("{MAX_RUNNING} methods run already: call again later")));
        };
        Ok(Run { name: name.to_owned(), method: method.clone(), payload: payload.clone(), _place: place })
    }
}

impl Run {
    async fn finish(self) -> Answer {
        let begun = Instant::now();
        let ended = program::run(&self.name, &self.method, &self.payload).await;
        let answer = Answer::of(&ended, self.method.output);
        let (method, outcome, duration) = (&self.name, ended.outcome(), begun.elapsed());
        tracing::info!(method, outcome, ?duration, status = answer.status, "a method ran");
        answer
    }
}

/// A name that nobody has checked, for the log.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
