//! Why a hub did not do what it was asked: the error of the port, as status and body.
//!
//! | code | status | at the caller |
//! |---|---|---|
//! | `busy` | 409 | `Busy` |
//! | `noDevice` | 404 | `NoDevice` |
//! | `unavailable` | 503 | `Unavailable` |
//! | `refused`, `malformed`, `tooLarge` | 422, 400, 413 | `Refused` |
//! | `noHub`, `forbidden` | 404, 403 | `Unavailable`: an operator mends that at the other end, and then the same call is done |
//! | `tooSlow` | 408 | `Unreachable` |

use axum::http::StatusCode;
use firsthop_protocol::{HubName, OperationId};
use serde::{Deserialize, Serialize};

use crate::domain::ports::HubError;

/// The body of every answer that is no 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub code: FaultCode,
    pub message: String,
    /// The operation that has the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultCode {
    Busy,
    NoDevice,
    Unavailable,
    Refused,
    Malformed,
    TooLarge,
    TooSlow,
    NoHub,
    Forbidden,
}

impl Fault {
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), operation: None }
    }

    pub fn status(&self) -> StatusCode {
        match self.code {
            FaultCode::Busy => StatusCode::CONFLICT,
            FaultCode::NoDevice | FaultCode::NoHub => StatusCode::NOT_FOUND,
            FaultCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            FaultCode::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            FaultCode::Malformed => StatusCode::BAD_REQUEST,
            FaultCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FaultCode::TooSlow => StatusCode::REQUEST_TIMEOUT,
            FaultCode::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    /// As the caller's port has it.
    pub fn of_hub(self, hub: HubName) -> HubError {
        let why = self.message;
        match (self.code, self.operation) {
            (FaultCode::Busy, Some(operation)) => HubError::Busy { hub, operation },
            (FaultCode::NoDevice, _) => HubError::NoDevice { hub },
            (FaultCode::Busy | FaultCode::Unavailable | FaultCode::NoHub | FaultCode::Forbidden, _) => {
                HubError::Unavailable { hub, why }
            }
            (FaultCode::Refused | FaultCode::Malformed | FaultCode::TooLarge, _) => HubError::Refused { hub, why },
            (FaultCode::TooSlow, _) => HubError::Unreachable { hub, why },
        }
    }
}

impl From<HubError> for Fault {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Busy { operation, .. } => {
                Self { operation: Some(operation), ..Self::new(FaultCode::Busy, "another operation has this device") }
            }
            HubError::NoDevice { .. } => Self::new(FaultCode::NoDevice, "this hub does not have the device"),
            HubError::Unavailable { why, .. } | HubError::Unreachable { why, .. } => {
                Self::new(FaultCode::Unavailable, why)
            }
            HubError::Refused { why, .. } => Self::new(FaultCode::Refused, why),
        }
    }
}
