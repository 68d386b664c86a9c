//! A refusal: what the device is told, and what only the operator is told.

use firsthop_protocol::ErrorCode;
use firsthop_protocol::body::EnrollmentName;

/// Why a request is refused. The device learns what it presented itself and the class of the reason; `detail` is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    /// For the device.
    pub message: String,
    /// For the operator: the certificate and the rule concerned. Empty when `message` says all.
    pub detail: String,
    /// The enrollment that decided, where one did.
    pub enrollment: Option<EnrollmentName>,
    /// Whole seconds to wait before the next attempt.
    pub retry_after: Option<u32>,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: String::new(), enrollment: None, retry_after: None }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    pub fn by(mut self, enrollment: &EnrollmentName) -> Self {
        self.enrollment = Some(enrollment.clone());
        self
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
