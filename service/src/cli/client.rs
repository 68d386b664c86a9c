//! The client of the management socket, as the operators' commands use it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use rustls::RootCertStore;
use serde::Deserialize;
use serde_json::Value;

use super::output::Output;
use super::{Exit, fail, runtime};
use crate::http::{body, tls};

/// The largest answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Time to connect; a socket on this machine takes none, unless the service takes no more connections.
const CONNECT: Duration = Duration::from_secs(5);
/// Items of a page.
const PAGE: usize = 100;

/// Where the service is, and how to print what it says.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// The service's management socket: admin.socket of its configuration.
    #[arg(
        long,
        env = "FIRSTHOP_SOCKET",
        value_name = "FILE",
        default_value = "/run/firsthop/admin.sock",
        global = true
    )]
    socket: PathBuf,
    /// How to print.
    #[arg(short, long, env = "FIRSTHOP_OUTPUT", value_name = "FORMAT", default_value = "table", global = true)]
    pub output: Output,
}

/// A request to the service.
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: None }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub fn query(mut self, query: Vec<(String, String)>) -> Self {
        self.query = query;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string().into_bytes())
    }

    pub fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }
}

/// What the service said.
pub struct Answer {
    pub body: Value,
    /// Where the next page begins.
    next: Option<String>,
}

/// Why there is no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot start: {0}")]
    Start(String),
    #[error("cannot reach the service at {}: {why} (does it run, with admin.socket set? may this user write to the socket?)", socket.display())]
    Unreachable { socket: PathBuf, why: String },
    #[error("what answers at {} is no management socket: {why}", socket.display())]
    Stranger { socket: PathBuf, why: String },
    #[error("{message} (error {code}, tracking id {tracking_id})")]
    Told { status: StatusCode, code: u64, message: String, tracking_id: String },
    #[error("{0}")]
    Input(String),
}

/// The body of an answer that is no 2xx.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error_code: u64,
    message: String,
    tracking_id: String,
}

impl Failure {
    pub fn exit(&self) -> Exit {
        let Self::Told { status, .. } = self else {
            return match self {
                Self::Unreachable { .. } => Exit::Unreachable,
                _ => Exit::Failure,
            };
        };
        match status.as_u16() {
            404 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            429 => Exit::Throttled,
            502..=504 => Exit::Unreachable,
            400..=499 => Exit::Refused,
            _ => Exit::Failure,
        }
    }
}

/// Runs a command's requests, and says what went wrong.
pub fn run<F>(connection: &Connection, command: impl FnOnce(Client) -> F) -> Exit
where
    F: Future<Output = Result<(), Failure>>,
{
    let client = match Client::new(connection) {
        Ok(client) => client,
        Err(failure) => return fail(failure.exit(), &failure),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Failure, &error),
    };
    match runtime.block_on(command(client)) {
        Ok(()) => Exit::Done,
        Err(failure) => fail(failure.exit(), &failure),
    }
}

/// A client of one service.
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    fn new(connection: &Connection) -> Result<Self, Failure> {
        let start = |error: &dyn std::fmt::Display| Failure::Start(error.to_string());
        // Nothing here is https; without a configuration of ours the client would look for a provider of its own.
        let tls = tls::client(RootCertStore::empty(), None).map_err(|error| start(&error))?;
        let http = reqwest::Client::builder()
            .unix_socket(connection.socket.as_path())
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| start(&error))?;
        Ok(Self { http, socket: connection.socket.clone() })
    }

    /// Asks. Identifiers have no character that a path would have to escape.
    pub async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let mut url = Url::parse(&format!("http://localhost{}", request.path))
            .map_err(|error| Failure::Input(format!("{}: {error}", request.path)))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut call = self.http.request(request.method, url);
        for (name, value) in request.headers {
            call = call.header(name, value);
        }
        if let Some(body) = request.body {
            call = call.body(body);
        }
        let unreachable = |why| Failure::Unreachable { socket: self.socket.clone(), why };
        let stranger = |why| Failure::Stranger { socket: self.socket.clone(), why };
        let response = call.send().await.map_err(|error| unreachable(body::chain(&error.without_url())))?;
        let status = response.status();
        let next = response.headers().get("x-ms-continuation");
        let next = next.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = body::of_answer(response, MAX_ANSWER).await.map_err(|error| unreachable(error.to_string()))?;
        if !status.is_success() {
            let problem: Problem =
                serde_json::from_slice(&bytes).map_err(|error| stranger(format!("status {status}: {error}")))?;
            return Err(Failure::Told {
                status,
                code: problem.error_code,
                message: problem.message,
                tracking_id: problem.tracking_id,
            });
        }
        let body = match &bytes[..] {
            [] => Value::Null,
            json => serde_json::from_slice(json).map_err(|error| stranger(error.to_string()))?,
        };
        Ok(Answer { body, next })
    }

    /// The first `limit` items of a list, and whether there are more.
    pub async fn list(&self, path: &str, limit: usize) -> Result<(Vec<Value>, bool), Failure> {
        let (mut items, mut next) = (Vec::new(), None::<String>);
        loop {
            let wanted = PAGE.min(limit.saturating_sub(items.len()));
            if wanted == 0 {
                return Ok((items, next.is_some()));
            }
            let mut request = Request::get(path).header("x-ms-max-item-count", wanted.to_string());
            if let Some(next) = next.take() {
                request = request.header("x-ms-continuation", next);
            }
            let answer = self.ask(request).await?;
            let Value::Array(page) = answer.body else {
                let why = "a list was expected".to_owned();
                return Err(Failure::Stranger { socket: self.socket.clone(), why });
            };
            items.extend(page);
            next = answer.next;
            if next.is_none() {
                return Ok((items, false));
            }
        }
    }
}
