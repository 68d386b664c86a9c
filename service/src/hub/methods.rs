//! Direct methods: a call reaches the device now, or within a time, and is answered within another, or not at all.

use std::time::Duration;

use firsthop_protocol::DeviceId;
use serde_json::Value;
use tokio::time::timeout;

use super::EmbeddedHub;
use super::calls::{Method, MethodAnswer};
use super::sessions::SessionNumber;
use crate::domain::ports::{HubError, MethodCall, MethodOutcome};

/// Most bytes of a call's payload.
const MAX_PAYLOAD: usize = 128 * 1024;
const MAX_NAME: usize = 100;
/// How long a call may wait for the device to connect, and for its answer, each.
const MAX_TIMEOUT: Duration = Duration::from_secs(300);

impl EmbeddedHub {
    /// The session listens to direct methods from now on, or no longer.
    pub fn listen_to_methods(&self, device: &DeviceId, number: SessionNumber, listens: bool) {
        self.sessions.listen(device, number, listens);
    }

    /// The device's answer to a direct method; `false`: nobody waits for it any more.
    pub fn answer_method(&self, device: &DeviceId, rid: u64, status: i32, payload: Value) -> bool {
        self.sessions.answer(device, rid, MethodAnswer { status, payload })
    }

    pub(super) async fn call_method(&self, device: &DeviceId, call: MethodCall) -> Result<MethodOutcome, HubError> {
        self.active(device).map_err(|fault| self.error(fault))?;
        let payload = judge(&call).map_err(|why| HubError::Refused { hub: self.name.clone(), why })?;
        let method = Method { name: call.name.into(), payload: payload.into() };
        let Some(mut ticket) = self.sessions.call(device, method) else { return Ok(MethodOutcome::TooMany) };
        match timeout(call.connect_timeout, &mut ticket.progress.sent).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(MethodOutcome::NotConnected),
        }
        // A session that ends without an answer leaves open whether the device did it, as silence does.
        Ok(match timeout(call.timeout, &mut ticket.progress.answer).await {
            Ok(Ok(MethodAnswer { status, payload })) => MethodOutcome::Answered { status, payload },
            Ok(Err(_)) | Err(_) => MethodOutcome::TimedOut,
        })
    }
}

/// The payload as it is sent, or what is wrong with the call.
fn judge(call: &MethodCall) -> Result<Vec<u8>, String> {
    if call.name.is_empty() || call.name.len() > MAX_NAME {
        return Err(format!("name: must have 1 to {MAX_NAME} characters, not {}", call.name.len()));
    }
    // It becomes a level of a topic.
    if let Some(c) = call.name.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | '+' | '#' | '?' | '$')) {
        return Err(format!("name: may not hold {c:?}"));
    }
    for (field, given) in [("timeout", call.timeout), ("connectTimeout", call.connect_timeout)] {
        if given > MAX_TIMEOUT {
            return Err(format!("{field}: at most {} seconds, not {}", MAX_TIMEOUT.as_secs(), given.as_secs()));
        }
    }
    let payload = call.payload.to_string().into_bytes();
    match payload.len() {
        len if len > MAX_PAYLOAD => Err(format!("payload: {len} bytes; at most {MAX_PAYLOAD} are allowed")),
        _ => Ok(payload),
    }
}
