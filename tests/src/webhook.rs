//! An allocation webhook that a test scripts: a real HTTP server on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

/// What the webhook says to a request.
pub type Script = dyn Fn(&Value) -> Answer + Send + Sync;

/// An answer.
pub enum Answer {
    Say(u16, Value),
    Raw(u16, &'static str),
    /// Nothing until the test lets it go on; then this.
    Held(Arc<Notify>, Value),
}

/// A running webhook; ends when dropped.
pub struct Webhook {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request that it got.
#[derive(Debug, Clone)]
pub struct Call {
    pub body: Value,
    pub raw: Bytes,
    pub headers: HeaderMap,
}

type Shared = (Arc<Script>, Arc<Mutex<Vec<Call>>>);

impl Webhook {
    pub fn start(script: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let shared: Shared = (Arc::new(script), calls.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            crate::fleet::runtime().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let routes = Router::new().route("/allocate", post(answer)).with_state(shared);
                tokio::select! {
                    served = axum::serve(listener, routes) => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, calls, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/allocate", self.address)
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn answer(State((script, calls)): State<Shared>, headers: HeaderMap, raw: Bytes) -> (StatusCode, String) {
    let body: Value = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    calls.lock().unwrap().push(Call { body: body.clone(), raw, headers });
    let (status, text) = match script(&body) {
        Answer::Say(status, value) => (status, value.to_string()),
        Answer::Raw(status, text) => (status, text.to_owned()),
        Answer::Held(until, value) => {
            until.notified().await;
            (200, value.to_string())
        }
    };
    (StatusCode::from_u16(status).expect("a status"), text)
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
