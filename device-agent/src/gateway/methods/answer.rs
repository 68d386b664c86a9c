//! What a call is answered with.

use std::os::unix::process::ExitStatusExt;

use firsthop_protocol::document::Any;
use serde_json::{Map, Value};

use super::pipe::Output;
use super::program::{Ended, Outputs};

/// A status, and a payload that is a JSON object.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    body: Map<String, Value>,
}

impl Answer {
    pub fn accepted() -> Self {
        Self { status: 202, body: [("accepted".to_owned(), Value::Bool(true))].into_iter().collect() }
    }

    pub fn refused(status: i32, error: &str) -> Self {
        Self { status, body: [("error".to_owned(), error.into())].into_iter().collect() }
    }

    /// What a run came to. Each output has at most `limit` bytes as JSON text.
    pub fn of(ended: &Ended, limit: usize) -> Self {
        let (mut answer, outputs) = match ended {
            Ended::NotRun(error) => return Self::refused(500, &format!("the program cannot be run: {error}")),
            Ended::TimedOut(after, outputs) => {
                let after = humantime::format_duration(*after);
                (Self::refused(504, &format!("the program was killed after {after}")), outputs)
            }
            Ended::Exited(status, outputs) => {
                let mut answer = Self { status: if status.success() { 200 } else { 500 }, body: Map::new() };
                let numbers = [("exitCode", status.code()), ("signal", status.signal())];
                let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?.into())));
                answer.body.extend(numbers);
                (answer, outputs)
            }
        };
        answer.add(outputs, limit);
        answer
    }

    pub fn payload(self) -> Vec<u8> {
        Value::Object(self.body).to_string().into_bytes()
    }

    fn add(&mut self, Outputs { stdout, stderr }: &Outputs, limit: usize) {
        match json(stdout, limit) {
            Some(value) => drop(self.body.insert("output".to_owned(), value)),
            None => self.add_text("stdout", stdout, limit),
        }
        self.add_text("stderr", stderr, limit);
    }

    fn add_text(&mut self, key: &str, output: &Output, limit: usize) {
        let (text, cut) = text(&output.bytes, limit);
        self.body.insert(key.to_owned(), text.into());
        if cut || output.truncated {
            self.body.insert(format!("{key}Truncated"), true.into());
        }
    }
}

/// The output as the JSON that it is: whole, and no deeper nested than documents may be.
fn json(output: &Output, limit: usize) -> Option<Value> {
    if output.truncated {
        return None;
    }
    let value = serde_json::from_slice::<Any>(&output.bytes).ok()?.0;
    // Written anew it may be longer, by escapes and by the digits of numbers.
    (value.to_string().len() <= limit).then_some(value)
}

/// As much of the text as has so many bytes inside a JSON string.
fn text(bytes: &[u8], limit: usize) -> (String, bool) {
    let whole = String::from_utf8_lossy(bytes);
    let mut room = limit;
    let mut kept = String::new();
    for character in whole.chars() {
        let len = match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        match room.checked_sub(len) {
            Some(left) => room = left,
            None => return (kept, true),
        }
        kept.push(character);
    }
    (kept, false)
}
