//! Device-bound messages on their way to the one client that takes them.
//!
//! Nothing is kept for a client that is not there: what is dropped goes back to the device, which offers it to whoever wants messages next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use firsthop_agent::device::Message;
use firsthop_protocol::property_bag::Property;
use tokio::sync::Notify;

/// Messages that wait for the client at most. The device holds what is more.
const MAX_WAITING: usize = 64;

/// A message for a local program.
pub struct Inbound {
    pub properties: Vec<Property>,
    pub body: Bytes,
    accept: Box<dyn FnOnce() + Send>,
}

impl Inbound {
    /// `accept` says that it was dealt with. Dropped uncalled, it says that it was not.
    pub fn new(properties: Vec<Property>, body: Bytes, accept: impl FnOnce() + Send + 'static) -> Self {
        Self { properties, body, accept: Box::new(accept) }
    }

    /// The hub may forget it.
    pub fn accept(self) {
        (self.accept)();
    }
}

impl From<Message> for Inbound {
    fn from(message: Message) -> Self {
        Self::new(message.properties.clone(), message.body.clone(), || message.accept())
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("properties", &self.properties).finish_non_exhaustive()
    }
}

/// The queue. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Messages(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Inbound>,
    taken: bool,
}

/// The right to take messages. The next one gets it when this is dropped.
#[derive(Debug)]
pub struct Consumer(Messages);

impl Messages {
    /// A message came from the hub.
    pub fn push(&self, message: impl Into<Inbound>) {
        let mut state = self.state();
        if state.taken && state.waiting.len() < MAX_WAITING {
            state.waiting.push_back(message.into());
            self.0.arrived.notify_one();
        }
    }

    /// `None`: somebody else has it.
    pub fn consume(&self) -> Option<Consumer> {
        let mut state = self.state();
        (!std::mem::replace(&mut state.taken, true)).then(|| Consumer(self.clone()))
    }

    /// Never held across an await, and never left half-way: each change is one step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer {
    /// The next message.
    pub async fn next(&self) -> Inbound {
        loop {
            if let Some(message) = self.0.state().waiting.pop_front() {
                return message;
            }
            self.0.0.arrived.notified().await;
        }
    }

    /// Gives back what waits.
    pub fn give_back(&self) {
        let waiting = std::mem::take(&mut self.0.state().waiting);
        drop(waiting);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}
