//! Direct methods.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use firsthop_protocol::{DeviceId, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desk::Desk;
use super::problem::Problem;
use super::request::{Asked, Id};
use crate::domain::ports::{MethodCall, MethodOutcome};

/// Most bytes of a method's name: it stands in a topic.
const MAX_NAME: usize = 100;
/// Seconds that a device, or its connection, may be waited for.
const MAX_SECONDS: u64 = 300;
/// Seconds that a device has for its answer, at least.
const MIN_RESPONSE: u64 = 5;
/// Seconds after which a device that has too many calls should be called again.
const RETRY: u32 = 5;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/twins/{deviceId}/methods", post(invoke))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Call {
    method_name: String,
    #[serde(default)]
    payload: Value,
    #[serde(default = "response_timeout")]
    response_timeout_in_seconds: u64,
    #[serde(default)]
    connect_timeout_in_seconds: u64,
}

fn response_timeout() -> u64 {
    30
}

/// The device's answer.
#[derive(Serialize)]
struct Document {
    status: i32,
    payload: Value,
}

impl Call {
    fn parsed(self) -> Result<MethodCall, Problem> {
        let name = &self.method_name;
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_name_byte) {
            let why = format!("must have 1 to {MAX_NAME} letters, digits and - . _ : characters");
            return Err(Problem::invalid("methodName", why));
        }
        let seconds = |field: &str, value: u64, least: u64| match value {
            value if (least..=MAX_SECONDS).contains(&value) => Ok(Duration::from_secs(value)),
            _ => Err(Problem::invalid(field, format!("must be from {least} to {MAX_SECONDS}, not {value}"))),
        };
        let timeout = seconds("responseTimeoutInSeconds", self.response_timeout_in_seconds, MIN_RESPONSE)?;
        let connect_timeout = seconds("connectTimeoutInSeconds", self.connect_timeout_in_seconds, 0)?;
        Ok(MethodCall { name: self.method_name, payload: self.payload, timeout, connect_timeout })
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':')
}

async fn invoke(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<DeviceId>,
    Asked(asked): Asked<Call>,
) -> Result<Json<Document>, Problem> {
    let call = asked.parsed()?;
    let waited = call.timeout;
    let (_, hub) = desk.home(&id).await?;
    match hub.invoke(id.clone(), call).await? {
        MethodOutcome::Answered { status, payload } => Ok(Json(Document { status, payload })),
        MethodOutcome::NotConnected => {
            let message = format!("device {id} is not connected, or does not listen to direct methods");
            Err(Problem::new(ErrorCode::NotConnected, message))
        }
        MethodOutcome::TimedOut => {
            let message = format!("device {id} did not answer within {waited:?}");
            Err(Problem::new(ErrorCode::MethodTimeout, message))
        }
        MethodOutcome::TooMany => {
            let message = format!("device {id} has as many calls under way as it may have");
            Err(Problem::new(ErrorCode::Throttled, message).retry_after(RETRY))
        }
    }
}
