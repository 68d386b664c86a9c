//! What is printed: answers to standard output, failures and refusals to standard error.

use std::io::Write;

use firsthop_agent::Reply;
use firsthop_protocol::document::Any;
use firsthop_protocol::{Accepted, Answer, ErrorCode, Format, Pending, Rejected, codec};
use serde_json::Value;

use super::service_args::Output;

/// A label and its text.
pub type Line = (&'static str, String);

pub fn answer(reply: &Reply, output: Output) {
    match (output, &reply.answer) {
        (Output::Json, _) => print(&json(reply)),
        (Output::Text, Answer::Accepted(accepted)) => print(&table(&registration(accepted))),
        (Output::Text, Answer::Pending(pending)) => {
            print(&table(&operation(pending)));
            tell("error: the registration is still under way; look it up later with `firsthop-agent lookup`");
        }
        (Output::Text, Answer::Rejected(rejected)) => {
            tell(&format!("error: {}", line(&rejected.message)));
            tell(table(&refusal(rejected)).trim_end());
        }
    }
}

/// An error with its causes, on one line.
pub fn failure(error: &anyhow::Error) {
    tell(&format!("error: {}", line(&format!("{error:#}"))));
}

fn registration(accepted: &Accepted) -> Vec<Line> {
    let mut lines = vec![("state", name(&accepted.state))];
    lines.extend(accepted.assigned_hub.as_ref().map(|hub| ("hub", line(hub))));
    lines.extend(accepted.error_code.map(|number| ("errorCode", code(number))));
    lines.extend(accepted.error_message.as_ref().map(|message| ("message", line(message))));
    lines.push(("device", accepted.device_id.to_string()));
    lines.push(("registration", accepted.registration_id.to_string()));
    lines.extend(accepted.substatus.as_ref().map(|substatus| ("substatus", name(substatus))));
    lines.push(("enrollment", accepted.enrollment.to_string()));
    lines.extend(accepted.operation_id.map(|id| ("operation", id.to_string())));
    lines.push(("etag", accepted.etag.to_string()));
    lines.push(("created", accepted.created.to_string()));
    lines.push(("updated", accepted.last_updated.to_string()));
    lines.extend(accepted.payload.as_ref().map(|payload| ("payload", payload.0.to_string())));
    lines.extend(
        accepted.resources.as_ref().map(|resources| ("resources", Value::Object(resources.0.clone()).to_string())),
    );
    lines
}

fn operation(pending: &Pending) -> Vec<Line> {
    vec![
        ("state", name(&pending.state)),
        ("step", line(&pending.step)),
        ("operation", pending.operation_id.to_string()),
        ("Retry-After", format!("{} s", pending.retry_after)),
    ]
}

fn refusal(rejected: &Rejected) -> Vec<Line> {
    let mut lines = vec![
        ("status", rejected.status.to_string()),
        ("errorCode", code(rejected.error_code)),
        ("action", name(&rejected.action)),
    ];
    lines.extend(rejected.retry_after.map(|seconds| ("Retry-After", format!("{seconds} s"))));
    lines.push(("trackingId", rejected.tracking_id.to_string()));
    lines
}

/// The number, with its name where this agent knows it.
fn code(number: u32) -> String {
    match ErrorCode::from_number(number) {
        Some(code) => format!("{number} {}", code.name()),
        None => number.to_string(),
    }
}

/// The body on one line: as received, or a CBOR one as JSON.
fn json(reply: &Reply) -> String {
    let body = match reply.format {
        Format::Json => String::from_utf8_lossy(&reply.body).into_owned(),
        // Read as a free document, so that fields which this version does not know are kept.
        Format::Cbor => {
            codec::decode::<Any>(&reply.body, Format::Cbor).map_or_else(|_| to_json(&reply.answer), |any| to_json(&any))
        }
    };
    body + "\n"
}

fn to_json(body: &impl serde::Serialize) -> String {
    String::from_utf8_lossy(&codec::encode(body, Format::Json)).into_owned()
}

/// The word that a value has on the wire.
fn name(value: &impl serde::Serialize) -> String {
    to_json(value).trim_matches('"').to_owned()
}

pub fn table(lines: &[Line]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    lines.iter().map(|(label, text)| format!("{label:width$}  {text}\n")).collect()
}

/// Text of the peer, without what would move the cursor of a terminal.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A line or more on standard error, without what would move the cursor. Where that is closed nobody is told, and the exit code still counts.
pub fn tell(text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A reader that went away (`| head`) is no failure of ours.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "standard output is closed");
    }
}
