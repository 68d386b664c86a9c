//! Calling an allocation webhook (rule B6).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// What the allocation webhook is asked (rule B6).
#[derive(Debug, Clone)]
pub struct AllocationRequest {
    pub url: Arc<str>,
    /// The key of the signature, when the enrollment has one.
    pub secret: Option<Arc<[u8]>>,
    /// The JSON body.
    pub body: Value,
}

/// What it answered, already bounded and parsed as JSON, not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub struct AllocationAnswer {
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocationFault {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it answered with status {status}: {body}")]
    Status { status: u16, body: String },
    #[error("its answer is larger than {0} bytes")]
    TooLarge(u64),
    #[error("its answer is no JSON: {0}")]
    Malformed(String),
    #[error("as many calls are under way as may be")]
    Busy,
}

/// Calls allocation webhooks.
pub trait Allocator: Send + Sync + 'static {
    fn allocate(
        &self,
        request: AllocationRequest,
    ) -> Pin<Box<dyn Future<Output = Result<AllocationAnswer, AllocationFault>> + Send + '_>>;
}
