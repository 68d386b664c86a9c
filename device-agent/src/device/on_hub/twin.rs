//! The twin is kept in step with the hub's: one request at a time, read before anything is reported.

use std::time::Duration;

use bytes::Bytes;
use firsthop_protocol::hub_topic;
use serde_json::Value;
use tokio::time::Instant;

use super::{OnHub, malformed};
use crate::flow::{Class, Failure, classify};
use crate::hub::TwinAnswer;
use crate::twin::{Desired, Properties, Twin};

/// What a twin answer did.
pub(in crate::device) enum Answered {
    /// Nothing that others have to know.
    Nothing,
    /// The desired properties changed.
    Desired,
    /// What is kept changed.
    Kept,
    /// The hub refused what was reported: why.
    Refused(String),
}

/// A request whose answer is awaited.
pub(super) struct TwinRequest {
    rid: String,
    kind: Kind,
    pub by: Instant,
    /// A change of the desired properties came while the twin was read. The answer may be older.
    overtaken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Report,
}

impl OnHub {
    /// Sends the next twin request, if one is due and none under way.
    pub fn sync_twin(&mut self, twin: &mut Twin, now: Instant) -> Answered {
        if self.request.is_some() || !self.pace.allows(now) {
            return Answered::Nothing;
        }
        self.last_rid += 1;
        let rid = self.last_rid.to_string();
        // Read first: a reset of the device's state is noticed before something is reported on top of it.
        let (kind, topic, body) = if self.read_twin {
            (Kind::Read, hub_topic::twin_get(&rid), Bytes::from_static(b" "))
        } else {
            let Some(patch) = twin.take() else { return Answered::Nothing };
            (Kind::Report, hub_topic::twin_report(&rid), Bytes::from(Value::Object(patch).to_string()))
        };
        let bytes = body.len();
        if self.session.publish(topic, body).is_none() {
            twin.refused();
            let why = format!("a report of {bytes} bytes is larger than the hub takes, and dropped");
            tracing::warn!("{why}");
            return if kind == Kind::Read { Answered::Nothing } else { Answered::Refused(why) };
        }
        if kind == Kind::Read {
            self.read_twin = false;
        }
        self.request = Some(TwinRequest { rid, kind, by: now + self.timeout, overtaken: false });
        Answered::Nothing
    }

    /// A change of the desired properties is in.
    pub fn overtake(&mut self) {
        if let Some(request) = &mut self.request {
            request.overtaken = true;
        }
    }

    /// Takes the answer to a twin request. An error ends the connection.
    pub fn answered(&mut self, answer: TwinAnswer, twin: &mut Twin, now: Instant) -> Result<Answered, Failure> {
        let Some(request) = self.request.take_if(|request| request.rid == answer.rid) else {
            tracing::debug!(rid = answer.rid, "an answer to no request");
            return Ok(Answered::Nothing);
        };
        if (200..300).contains(&answer.status) {
            self.pace.succeeded();
            return match request.kind {
                Kind::Report => {
                    twin.acknowledged();
                    Ok(Answered::Kept)
                }
                Kind::Read => match desired_of(&answer.body) {
                    // Which came first at the hub, another answer tells.
                    Ok(desired) if request.overtaken && is_older(&desired, twin) => {
                        self.read_twin = true;
                        Ok(Answered::Nothing)
                    }
                    Ok(desired) => Ok(if twin.read(desired) { Answered::Desired } else { Answered::Nothing }),
                    Err(message) => Err(malformed(&message)),
                },
            };
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = body["message"].as_str().unwrap_or("no reason given");
        let retry_after = body["retryAfter"].as_u64().map(Duration::from_secs);
        let failure = Failure { retry_after, ..classify::of_twin_status(answer.status, message) };
        match (failure.class, request.kind) {
            (Class::Throttled | Class::Unavailable, kind) => {
                let wait = self.pace.failed(&failure, now);
                tracing::info!(
                    status = answer.status,
                    reason = message,
                    ?wait,
                    "the hub cannot take a twin request now"
                );
                match kind {
                    Kind::Read => self.read_twin = true,
                    Kind::Report => twin.lost(),
                }
                Ok(Answered::Nothing)
            }
            // What the hub says of the report, not of the device.
            (Class::Other, Kind::Report) if !matches!(answer.status, 401 | 403 | 404) => {
                let dropped = Value::Object(twin.refused()).to_string();
                tracing::warn!(
                    status = answer.status,
                    reason = message,
                    bytes = dropped.len(),
                    "reported properties are refused"
                );
                Ok(Answered::Refused(format!("reported properties are refused and dropped: {message}")))
            }
            (Class::Other, _) => Err(failure),
        }
    }
}

fn is_older(desired: &Desired, twin: &Twin) -> bool {
    twin.desired().is_some_and(|known| desired.version < known.version)
}

/// The desired properties of a twin's body.
fn desired_of(body: &[u8]) -> Result<Desired, String> {
    let twin: Value = serde_json::from_slice(body).map_err(|error| format!("the twin is no JSON: {error}"))?;
    match twin.get("desired") {
        Some(Value::Object(desired)) => desired_from(desired.clone()).ok_or("desired has no $version".to_owned()),
        _ => Err("the twin has no desired properties".into()),
    }
}

/// Takes the version out of properties.
fn desired_from(mut properties: Properties) -> Option<Desired> {
    let version = properties.remove("$version")?.as_u64()?;
    properties.remove("$metadata");
    Some(Desired { version, properties })
}

/// The patch of a change of the desired properties.
pub(in crate::device) fn patch_of(body: &[u8]) -> Option<Properties> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut patch)) => {
            patch.remove("$version");
            Some(patch)
        }
        _ => None,
    }
}
