//! An MQTT broker that does what a test's script says, over real TLS on loopback, in either version of MQTT: a service, a hub, or both.
//!
//! It answers by itself, as its [`Script`] says, and notes with its time whatever comes and goes. A test looks at the notes, waits for
//! one, or steps in: pushes a message, ends a connection, changes the script.

mod answers;
mod notes;
mod script;
mod session;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::packet::server::Request;
use crate::packet::{Connect, Property};
use crate::{Message, Pki};

use notes::Notes;
pub use notes::{Note, What};
pub use script::{Greeting, Plan, Reply, Script};

/// What a test does to the connection that came last.
#[derive(Debug, Clone)]
enum Order {
    Push(Message),
    /// DISCONNECT where the version has it, then the end.
    Disconnect(u8, Vec<Property>),
    /// The end of TLS and TCP, in order.
    Close,
    /// TCP is reset.
    Reset,
    /// The connection stands, and nothing is read or answered any more.
    Stall,
}

/// A running broker; ends when dropped, with all connections.
pub struct Scripted {
    address: SocketAddr,
    notes: Arc<Notes>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    pub fn start(pki: &Pki, script: Script) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let notes = Arc::new(Notes::new(script));
        let tls = tls::Tls::new(pki);
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = notes.clone();
        let thread = std::thread::spawn(move || {
            crate::fleet::runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, shared, tls) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, notes, stop: Some(stop), thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// As an assignment names it.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// Changes the script, for what comes from now on.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        self.notes.script(change);
    }

    /// Sends a publication to the device that came last.
    pub fn push(&self, message: Message) {
        self.notes.order(Order::Push(message));
    }

    /// Ends the last connection with DISCONNECT; in MQTT 3.1.1 without a word.
    pub fn disconnect(&self, code: u8, properties: Vec<Property>) {
        self.notes.order(Order::Disconnect(code, properties));
    }

    pub fn close(&self) {
        self.notes.order(Order::Close);
    }

    pub fn reset(&self) {
        self.notes.order(Order::Reset);
    }

    pub fn stall(&self) {
        self.notes.order(Order::Stall);
    }

    /// All that was noted so far.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.all()
    }

    /// The first note that fits, waiting for it.
    pub fn until(&self, what: &str, fits: impl Fn(&Note) -> bool) -> Note {
        self.nth(what, 0, fits)
    }

    /// The note that fits after so many others that do, waiting for it.
    pub fn nth(&self, what: &str, before: usize, fits: impl Fn(&Note) -> bool) -> Note {
        self.notes.wait(what, |notes| notes.iter().filter(|note| fits(note)).nth(before).cloned())
    }

    pub fn count(&self, fits: impl Fn(&Note) -> bool) -> usize {
        self.notes.all().iter().filter(|note| fits(note)).count()
    }

    /// When the connection came that so many came before, waiting for it.
    pub fn arrival(&self, before: usize) -> Instant {
        self.nth("a connection", before, |note| matches!(note.what, What::Arrived)).at
    }

    pub fn arrivals(&self) -> usize {
        self.count(|note| matches!(note.what, What::Arrived))
    }

    /// How long after it was last told something, or sent away, a device came back: the pause before that connection.
    pub fn pause_before(&self, connection: usize) -> Duration {
        let arrival = self.arrival(connection);
        let mut told =
            self.notes.all().into_iter().filter(|note| note.at < arrival && matches!(note.what, What::Told(_)));
        arrival - told.next_back().expect("something was said before").at
    }

    /// The CONNECT of the connection that so many with one came before.
    pub fn connect(&self, before: usize) -> Connect {
        let note = self.nth("a CONNECT", before, |note| matches!(note.what, What::Got(Request::Connect(..))));
        let What::Got(Request::Connect(_, connect)) = note.what else { unreachable!("it was chosen so") };
        connect
    }

    /// Waits for a publication on a topic that begins so.
    pub fn published(&self, topic: &str) -> Message {
        self.nth_published(topic, 0)
    }

    /// The same after so many others.
    pub fn nth_published(&self, topic: &str, before: usize) -> Message {
        let note = self.nth(&format!("publication on {topic}"), before, |note| note.is_published_on(topic));
        let What::Got(Request::Publish(message)) = note.what else { unreachable!("it was chosen so") };
        message
    }

    /// How many publications came on topics that begin so.
    pub fn count_published(&self, topic: &str) -> usize {
        self.count(|note| note.is_published_on(topic))
    }

    /// Waits until a device has subscribed to that filter.
    pub fn subscribed(&self, filter: &str) {
        self.until(
            &format!("subscription to {filter}"),
            |note| matches!(&note.what, What::Got(Request::Subscribe { filters, .. }) if filters.iter().any(|(it, _)| it == filter)),
        );
    }
}

async fn accept(listener: TcpListener, notes: Arc<Notes>, tls: tls::Tls) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (number, orders) = notes.arrived();
        let (notes, tls) = (notes.clone(), tls.clone());
        tokio::spawn(async move {
            session::serve(socket, number, &notes, &tls, orders).await;
            notes.note(number, What::Ended);
        });
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if std::thread::panicking() {
            eprintln!("the scripted broker on port {} noted:\n{}", self.port(), self.notes.text());
        }
    }
}
