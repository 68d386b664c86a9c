//! Answers, one line each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firsthop_agent::device::{PublishError, ReportRefused, Status, Stopped};
use firsthop_agent::disk::DiskError;
use firsthop_agent::twin::Desired;
use serde_json::{Map, Value, json};

use super::messages::Inbound;

/// Why something is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn bad(message: String) -> Self {
        Self { code: "badRequest", message }
    }

    pub fn too_large(message: String) -> Self {
        Self { code: "tooLarge", message }
    }

    pub fn not_allowed(message: &str) -> Self {
        Self { code: "notAllowed", message: message.to_owned() }
    }

    pub fn busy(message: &str) -> Self {
        Self { code: "busy", message: message.to_owned() }
    }
}

impl From<&DiskError> for Refusal {
    fn from(error: &DiskError) -> Self {
        let code = match error {
            DiskError::TooLarge { .. } => "tooLarge",
            DiskError::DiskFull { .. } | DiskError::OutboxFull { .. } => "full",
            DiskError::Stopped => "stopping",
            _ => "failed",
        };
        Self { code, message: error.to_string() }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Properties(_) => Self::bad(error.to_string()),
            PublishError::Disk(error) => Self::from(&error),
        }
    }
}

impl From<ReportRefused> for Refusal {
    fn from(error: ReportRefused) -> Self {
        use firsthop_agent::twin::ReportError;
        match error {
            ReportRefused::Report(ReportError::TooLarge { .. }) => Self::too_large(error.to_string()),
            ReportRefused::Report(_) => Self::bad(error.to_string()),
            ReportRefused::Disk(error) => Self::from(&*error),
        }
    }
}

impl From<Stopped> for Refusal {
    fn from(error: Stopped) -> Self {
        Self { code: "stopping", message: error.to_string() }
    }
}

/// It is done.
pub fn done() -> Vec<u8> {
    line(Map::new())
}

pub fn status(status: &Status) -> Vec<u8> {
    line(object(json!({ "version": env!("CARGO_PKG_VERSION"), "status": status })))
}

pub fn desired(desired: Option<&Desired>) -> Vec<u8> {
    let (properties, version) = desired.map(|desired| (&desired.properties, desired.version)).unzip();
    line(object(json!({ "desired": properties, "version": version })))
}

/// A name that stands twice among the properties has the value that comes last.
pub fn message(number: u64, message: &Inbound) -> Vec<u8> {
    let properties: Map<String, Value> =
        message.properties.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut answer = object(json!({ "message": number, "properties": properties }));
    let (key, body) = match std::str::from_utf8(&message.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("bodyBase64", STANDARD.encode(&message.body)),
    };
    answer.insert(key.to_owned(), body.into());
    line(answer)
}

pub fn refused(refusal: &Refusal) -> Vec<u8> {
    ended(json!({ "ok": false, "error": { "code": refusal.code, "message": refusal.message } }))
}

fn line(mut members: Map<String, Value>) -> Vec<u8> {
    members.insert("ok".to_owned(), true.into());
    ended(Value::Object(members))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn ended(value: Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}
