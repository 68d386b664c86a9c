//! A program beside the agent that uses its local socket: one request, and its answer, a line of JSON each.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::PATIENCE;

pub struct Local {
    stream: BufReader<UnixStream>,
}

impl Local {
    /// `None` while nobody listens.
    pub fn open(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Some(Self { stream: BufReader::new(stream) })
    }

    /// Sends a line. An agent that is gone is noticed by reading.
    pub fn tell(&mut self, request: &Value) {
        let _ = self.stream.get_mut().write_all(format!("{request}\n").as_bytes());
    }

    /// The next line; `None` at the end.
    pub fn heard(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(1..) if line.ends_with('\n') => {
                Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("the agent said nothing within {PATIENCE:?}")
            }
            // Killed in the middle of a line, or before it.
            Ok(_) | Err(_) => None,
        }
    }

    /// A request and its answer; `None` when the agent is gone before it.
    pub fn ask(&mut self, request: &Value) -> Option<Value> {
        self.tell(request);
        self.heard()
    }

    /// Whether the agent has the report on its disk.
    pub fn report(&mut self, patch: &Value) -> bool {
        self.ask(&json!({"op": "report", "patch": patch})).is_some_and(|answer| answer["ok"] == true)
    }

    /// Whether the agent has the telemetry on its disk.
    pub fn publish(&mut self, body: &str) -> bool {
        self.ask(&json!({"op": "publish", "body": body})).is_some_and(|answer| answer["ok"] == true)
    }
}
