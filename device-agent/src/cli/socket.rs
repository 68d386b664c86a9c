//! The other end of the agent's local socket, whose protocol is told in `gateway/local`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::exit;
use crate::gateway::local::DEFAULT_SOCKET;

/// How long the agent may take for an answer. What it answers waits for its disk, and for nothing on the network.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer: a message of the largest size, all of it escaped.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct SocketArgs {
    /// The agent's local socket.
    #[arg(long, env = "FIRSTHOP_AGENT_SOCKET", value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

/// Why a command that asks the agent failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no agent runs here: {}: {error}", path.display())]
    NoAgent { path: PathBuf, error: io::Error },
    #[error("{}: {error}; only the agent's user and group may use it", path.display())]
    Forbidden { path: PathBuf, error: io::Error },
    #[error("{message}")]
    Refused { code: String, message: String },
    #[error("the agent went away")]
    Closed,
    #[error("the agent does not answer: {0}")]
    Silent(io::Error),
    #[error("the agent's answer cannot be read: {0}")]
    Malformed(String),
    #[error("{0}")]
    Input(String),
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl Failure {
    pub fn exit(&self) -> u8 {
        match self {
            Self::NoAgent { .. } | Self::Closed | Self::Silent(_) => exit::UNAVAILABLE,
            Self::Forbidden { .. } => exit::REFUSED,
            Self::Refused { code, .. } => exit::of_refusal(code),
            Self::Malformed(_) | Self::Input(_) | Self::Output(_) => exit::FAILURE,
        }
    }
}

/// A connection to the running agent.
#[derive(Debug)]
pub struct Agent(BufReader<UnixStream>);

impl Agent {
    pub fn connect(args: &SocketArgs) -> Result<Self, Failure> {
        let path = args.socket.clone();
        let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Failure::Forbidden { path, error },
            _ => Failure::NoAgent { path, error },
        })?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(Failure::Silent)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(Failure::Silent)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// From here on answers may take any time.
    pub fn wait_for_ever(&self) -> Result<(), Failure> {
        self.0.get_ref().set_read_timeout(None).map_err(Failure::Silent)
    }

    pub fn ask(&mut self, request: &Value) -> Result<Map<String, Value>, Failure> {
        // An agent that refuses the connection says why and closes it: the answer is the better error.
        let sent = self.send(request);
        match self.answer() {
            Err(Failure::Closed) => Err(sent.err().unwrap_or(Failure::Closed)),
            answered => answered,
        }
    }

    pub fn send(&mut self, request: &Value) -> Result<(), Failure> {
        let line = format!("{request}\n");
        self.0.get_mut().write_all(line.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Failure::Closed,
            _ => Failure::Silent(error),
        })
    }

    /// The next answer without its `ok`.
    pub fn answer(&mut self) -> Result<Map<String, Value>, Failure> {
        let mut line = Vec::new();
        match self.0.by_ref().take(MAX_ANSWER).read_until(b'\n', &mut line) {
            Ok(_) if line.is_empty() => return Err(Failure::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Failure::Closed),
            Err(error) => return Err(Failure::Silent(error)),
        }
        let mut answer: Map<String, Value> =
            serde_json::from_slice(&line).map_err(|error| Failure::Malformed(error.to_string()))?;
        if answer.remove("ok") == Some(Value::Bool(true)) {
            return Ok(answer);
        }
        let text = |key: &str| answer.get("error").and_then(|error| error.get(key)?.as_str()).unwrap_or("?").to_owned();
        Err(Failure::Refused { code: text("code"), message: text("message") })
    }
}

/// Prints a line, at once. `false`: nobody reads any more, which is no failure of ours.
pub fn say(line: impl std::fmt::Display) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Output(error)),
    }
}
