//! What a hub is asked, and what it answers.

use std::time::Duration;

use firsthop_protocol::{OperationId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Event, Identity, State, Twin, base64_text};
use crate::domain::ports;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provision {
    pub operation: OperationId,
    pub identity: Identity,
    pub state: State,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identify {
    pub operation: OperationId,
    pub identity: Identity,
}

/// Of `fence` and `release`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByOperation {
    pub operation: OperationId,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remove {
    pub operation: OperationId,
    pub to: Option<String>,
}

/// The answer where there is nothing to say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Session {
    #[serde(rename_all = "camelCase")]
    Notify { reason: String, not_before: Option<Timestamp>, spread: u32 },
    #[serde(rename_all = "camelCase")]
    Close { moved_to: Option<String> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    pub reached: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub devices: u64,
    pub sessions: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateTwin {
    pub tags: Option<Value>,
    pub desired: Option<Value>,
    pub replace: bool,
    pub expected: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum TwinUpdated {
    Done(Twin),
    Conflict(u64),
    Invalid(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Method {
    pub name: String,
    pub payload: Value,
    pub timeout_millis: u64,
    pub connect_timeout_millis: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum MethodOutcome {
    Answered { status: i32, payload: Value },
    NotConnected,
    TimedOut,
    TooMany,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    pub properties: String,
    #[serde(with = "base64_text")]
    pub payload: Vec<u8>,
    pub expires: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Enqueued {
    Done(u64),
    Full,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// With their numbers, the oldest first.
    pub events: Vec<(u64, Event)>,
}

/// The query of `events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsAfter {
    pub after: Option<u64>,
    pub limit: usize,
}

impl From<ports::SessionCommand> for Session {
    fn from(command: ports::SessionCommand) -> Self {
        match command {
            ports::SessionCommand::Notify(notice) => {
                Self::Notify { reason: notice.reason, not_before: notice.not_before, spread: notice.spread }
            }
            ports::SessionCommand::Close { moved_to } => Self::Close { moved_to },
        }
    }
}

impl From<Session> for ports::SessionCommand {
    fn from(command: Session) -> Self {
        match command {
            Session::Notify { reason, not_before, spread } => {
                Self::Notify(ports::Notice { reason, not_before, spread })
            }
            Session::Close { moved_to } => Self::Close { moved_to },
        }
    }
}

impl From<ports::TwinUpdated> for TwinUpdated {
    fn from(updated: ports::TwinUpdated) -> Self {
        match updated {
            ports::TwinUpdated::Done(twin) => Self::Done(twin.into()),
            ports::TwinUpdated::Conflict(version) => Self::Conflict(version),
            ports::TwinUpdated::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<TwinUpdated> for ports::TwinUpdated {
    fn from(updated: TwinUpdated) -> Self {
        match updated {
            TwinUpdated::Done(twin) => Self::Done(twin.into()),
            TwinUpdated::Conflict(version) => Self::Conflict(version),
            TwinUpdated::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<ports::MethodCall> for Method {
    fn from(call: ports::MethodCall) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: call.name,
            payload: call.payload,
            timeout_millis: millis(call.timeout),
            connect_timeout_millis: millis(call.connect_timeout),
        }
    }
}

impl From<Method> for ports::MethodCall {
    fn from(call: Method) -> Self {
        Self {
            name: call.name,
            payload: call.payload,
            timeout: Duration::from_millis(call.timeout_millis),
            connect_timeout: Duration::from_millis(call.connect_timeout_millis),
        }
    }
}

impl From<ports::MethodOutcome> for MethodOutcome {
    fn from(outcome: ports::MethodOutcome) -> Self {
        match outcome {
            ports::MethodOutcome::Answered { status, payload } => Self::Answered { status, payload },
            ports::MethodOutcome::NotConnected => Self::NotConnected,
            ports::MethodOutcome::TimedOut => Self::TimedOut,
            ports::MethodOutcome::TooMany => Self::TooMany,
        }
    }
}

impl From<MethodOutcome> for ports::MethodOutcome {
    fn from(outcome: MethodOutcome) -> Self {
        match outcome {
            MethodOutcome::Answered { status, payload } => Self::Answered { status, payload },
            MethodOutcome::NotConnected => Self::NotConnected,
            MethodOutcome::TimedOut => Self::TimedOut,
            MethodOutcome::TooMany => Self::TooMany,
        }
    }
}
