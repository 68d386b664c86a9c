//! The log of a service under test: its last lines, and waiting for one.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;

const KEPT: usize = 20_000;

/// JSON lines of a process's standard error. Cheap to clone.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Tail>, Condvar)>);

#[derive(Default)]
struct Tail {
    lines: VecDeque<Value>,
    written: usize,
    ended: bool,
}

impl Log {
    /// Reads a pipe to its end, in a thread.
    pub fn read(pipe: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let writer = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let mut tail = writer.0.0.lock().unwrap();
                if tail.lines.len() >= KEPT {
                    tail.lines.pop_front();
                }
                tail.lines.push_back(value);
                tail.written += 1;
                writer.0.1.notify_all();
            }
            writer.0.0.lock().unwrap().ended = true;
            writer.0.1.notify_all();
        });
        log
    }

    /// The first line that fits, waiting for it; `None` when the process ended without one.
    pub fn find(&self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        self.nth(1, fits)
    }

    /// The same for the line by which so many fit.
    fn nth(&self, number: usize, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + PATIENCE;
        let (mutex, changed) = &*self.0;
        let mut tail = mutex.lock().unwrap();
        loop {
            if let Some(line) = tail.lines.iter().filter(|line| fits(line)).nth(number - 1) {
                return Some(line.clone());
            }
            if tail.ended {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            tail = changed.wait_timeout(tail, left).unwrap().0;
        }
    }

    /// Waits until so many lines fit; gives the last of them.
    pub fn until(&self, what: &str, number: usize, fits: impl Fn(&Value) -> bool) -> Value {
        self.nth(number, fits).unwrap_or_else(|| panic!("the log has no {what}:\n{}", self.text()))
    }

    /// The first line that fits; the test fails without one.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.find(fits).unwrap_or_else(|| panic!("the log has no line {what}:\n{}", self.text()))
    }

    /// Waits for a message.
    pub fn wait_for_message(&self, message: &str) -> Value {
        self.wait_for(message, |line| line["message"].as_str().is_some_and(|found| found.contains(message)))
    }

    /// How many lines there were.
    pub(crate) fn written(&self) -> usize {
        self.0.0.lock().unwrap().written
    }

    /// Waits until there are more lines than that, the process has ended, or so much time has passed.
    pub(crate) fn grows(&self, seen: usize, limit: Duration) {
        let tail = self.0.0.lock().unwrap();
        drop(self.0.1.wait_timeout_while(tail, limit, |tail| tail.written == seen && !tail.ended));
    }

    /// How many lines fit at this moment.
    pub fn count(&self, fits: impl Fn(&Value) -> bool) -> usize {
        self.0.0.lock().unwrap().lines.iter().filter(|line| fits(line)).count()
    }

    /// The end of the log, for messages.
    pub fn text(&self) -> String {
        let tail = self.0.0.lock().unwrap();
        let lines = tail.lines.iter().rev().take(60).collect::<Vec<_>>();
        lines.iter().rev().map(|line| format!("  {line}\n")).collect()
    }
}
