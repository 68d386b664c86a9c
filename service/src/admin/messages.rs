//! Device-bound messages.
//!
//! The body is the payload, as it is. The query is the property bag, url-encoded as on the wire: `?color=red&$.mid=42`. System properties
//! begin with `$.`: `$.mid` message id, `$.cid` correlation id, `$.ct` content type, `$.ce` content encoding. The header `iothub-expiry`
//! says until when the message waits (RFC 3339); without it, it waits as long as the device's enrollment says.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use firsthop_protocol::{DeviceId, ErrorCode, Timestamp};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::problem::Problem;
use super::request::{Id, Raw};
use crate::domain::ports::{DeviceBound, Enqueued};

const EXPIRY: &str = "iothub-expiry";
/// Seconds after which a full queue should be tried again.
const RETRY: u32 = 30;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/devices/{deviceId}/messages", post(send))
}

/// The number of the message in its device's queue.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    message_number: u64,
}

/// The property bag of the query, written anew: nothing that a topic must not have gets through.
struct Properties(String);

impl FromRequestParts<Arc<Desk>> for Properties {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, desk)
            .await
            .map_err(|error| Problem::invalid("the query", error.body_text()))?;
        if pairs.iter().any(|(name, _)| name.is_empty()) {
            return Err(Problem::invalid("the query", "a property has no name"));
        }
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        Ok(Self(pairs.collect::<Vec<_>>().join("&")))
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            _ if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn expiry(headers: &HeaderMap) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = headers.get(EXPIRY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let parsed: Result<_, serde::de::value::Error> = Timestamp::deserialize(text.into_deserializer());
    parsed.map(Some).map_err(|error| Problem::invalid(EXPIRY, error))
}

async fn send(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<DeviceId>,
    Properties(properties): Properties,
    headers: HeaderMap,
    Raw(payload): Raw,
) -> Result<(StatusCode, Json<Document>), Problem> {
    let message = DeviceBound { properties, payload: payload.to_vec(), expires: expiry(&headers)? };
    let (_, hub) = desk.home(&id).await?;
    match hub.enqueue(id.clone(), message).await? {
        Enqueued::Done(message_number) => Ok((StatusCode::CREATED, Json(Document { message_number }))),
        Enqueued::Full => {
            let message = format!("the command queue of device {id} has no room");
            Err(Problem::new(ErrorCode::QueueFull, message).retry_after(RETRY))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_must_not_have_is_encoded() {
        assert_eq!(encoded("$.mid"), "%24.mid");
        assert_eq!(encoded("a/+#&=é b~"), "a%2F%2B%23%26%3D%C3%A9%20b~");
    }
}
