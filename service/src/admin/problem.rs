//! Why a request was not done: status, code and words, in the form of the service API.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use firsthop_protocol::{ErrorCode, Timestamp, TrackingId};
use serde::Serialize;

use crate::domain::ports::HubError;
use crate::http::body::BodyError;
use crate::provisioner::operator::AdminError;

/// There is no such resource.
const UNKNOWN: u32 = 404_201;
const METHOD_NOT_ALLOWED: u32 = 405_001;
/// The body did not come in time.
const TOO_SLOW: u32 = 408_001;
/// It cannot be done as things are.
const CONFLICT: u32 = 409_001;
/// A hub will not do it.
const REFUSED: u32 = 403_003;

/// Seconds after which what is unavailable now should be asked for again.
const RETRY: u32 = 5;

/// A request that was not done. The first three digits of the code are the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: u32,
    message: String,
    retry_after: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'p> {
    error_code: u32,
    tracking_id: TrackingId,
    message: &'p str,
    timestamp_utc: Timestamp,
}

impl Problem {
    fn of(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::of(code.number(), message)
    }

    pub fn unknown(message: impl Into<String>) -> Self {
        Self::of(UNKNOWN, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::of(CONFLICT, message)
    }

    pub fn method_not_allowed() -> Self {
        Self::of(METHOD_NOT_ALLOWED, "this path does not have this method")
    }

    /// A field, header or part of the path is not as it must be.
    pub fn invalid(what: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidField, format!("{what}: {why}"))
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn status(&self) -> StatusCode {
        let status = u16::try_from(self.code / 1000).ok().and_then(|status| StatusCode::from_u16(status).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            error_code: self.code,
            tracking_id: TrackingId::random(),
            message: &self.message,
            timestamp_utc: Timestamp::now(),
        };
        tracing::info!(
            code = self.code,
            tracking = %document.tracking_id,
            reason = self.message,
            "a request of an operator was not done"
        );
        let mut response = (self.status(), Json(document)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Unknown(what) => Self::unknown(what),
            AdminError::Conflict(why) => Self::conflict(why),
            AdminError::Hub(error) => error.into(),
            AdminError::Store(error) => Self::new(ErrorCode::StoreUnavailable, error.to_string()).retry_after(RETRY),
        }
    }
}

impl From<HubError> for Problem {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::Unreachable { .. } => Self::new(ErrorCode::HubUnreachable, message).retry_after(RETRY),
            HubError::Unavailable { .. } => Self::new(ErrorCode::StoreUnavailable, message).retry_after(RETRY),
            HubError::Busy { .. } => Self::conflict(message).retry_after(RETRY),
            HubError::NoDevice { .. } => Self::new(ErrorCode::NoDevice, message),
            HubError::Refused { .. } => Self::of(REFUSED, message),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::new(ErrorCode::TooLarge, message),
            BodyError::TooSlow(_) => Self::of(TOO_SLOW, message),
            BodyError::Broken(_) => Self::new(ErrorCode::MalformedBody, message),
        }
    }
}
