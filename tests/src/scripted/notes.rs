//! What a scripted broker saw and said, with the time of each; and the script, which changes while it runs.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use tokio::sync::mpsc;

use super::{Order, Script};
use crate::PATIENCE;
use crate::packet::server::Request;

/// Something that happened on a connection.
#[derive(Debug, Clone)]
pub struct Note {
    /// By a monotonic clock.
    pub at: Instant,
    /// The connection, counted from 0 in the order in which they came.
    pub connection: usize,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// TCP stands.
    Arrived,
    /// TLS stands, with a client that has this certificate.
    Secured(Vec<u8>),
    /// TLS failed: why.
    Unsecured(String),
    Got(Request),
    /// The device was told something that decides what it does next, or was sent away. In words.
    Told(String),
    Ended,
}

impl Note {
    pub fn is_published_on(&self, topic: &str) -> bool {
        matches!(&self.what, What::Got(Request::Publish(message)) if message.topic.starts_with(topic))
    }

    pub fn is_connect(&self) -> bool {
        matches!(self.what, What::Got(Request::Connect(..)))
    }
}

pub(super) struct Notes {
    state: Mutex<State>,
    changed: Condvar,
    began: Instant,
}

struct State {
    notes: Vec<Note>,
    script: Script,
    arrived: usize,
    /// Where the orders for the last connection go.
    last: Option<mpsc::Sender<Order>>,
}

/// Far more than any test gives at once.
const MAX_ORDERS: usize = 256;

impl Notes {
    pub fn new(script: Script) -> Self {
        let state = State { notes: Vec::new(), script, arrived: 0, last: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), began: Instant::now() }
    }

    /// Notes a connection; gives its number and what a test orders for it.
    pub fn arrived(&self) -> (usize, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(MAX_ORDERS);
        let mut state = self.state.lock().unwrap();
        let number = state.arrived;
        state.arrived += 1;
        state.last = Some(sender);
        drop(state);
        self.note(number, What::Arrived);
        (number, orders)
    }

    pub fn note(&self, connection: usize, what: What) {
        self.state.lock().unwrap().notes.push(Note { at: Instant::now(), connection, what });
        self.changed.notify_all();
    }

    pub fn script<T>(&self, use_it: impl FnOnce(&mut Script) -> T) -> T {
        use_it(&mut self.state.lock().unwrap().script)
    }

    pub fn order(&self, order: Order) {
        let last = self.state.lock().unwrap().last.clone().expect("a connection came");
        last.try_send(order).expect("the connection stands");
    }

    pub fn all(&self) -> Vec<Note> {
        self.state.lock().unwrap().notes.clone()
    }

    /// What a look at the notes gives, as soon as it gives something.
    pub fn wait<T>(&self, what: &str, look: impl Fn(&[Note]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(found) = look(&state.notes) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // The notes are shown when the broker is dropped.
                drop(state);
                panic!("the scripted broker did not see {what}");
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The end of the notes, for messages.
    pub fn text(&self) -> String {
        let notes = self.all();
        let line =
            |note: &Note| format!("  {:8.3?} #{} {}\n", note.at - self.began, note.connection, in_words(&note.what));
        notes.iter().skip(notes.len().saturating_sub(60)).map(line).collect()
    }
}

/// Short, and readable.
fn in_words(what: &What) -> String {
    match what {
        What::Secured(_) => "Secured".to_owned(),
        What::Got(Request::Publish(message)) => {
            format!("Publish {} {}", message.topic, String::from_utf8_lossy(&message.payload))
        }
        What::Got(request) => format!("{request:?}"),
        other => format!("{other:?}"),
    }
}
