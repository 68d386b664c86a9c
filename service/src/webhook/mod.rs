//! Calls allocation webhooks (rule B6): signed, bounded in time, size and number, and trusting the configured authorities only.
//!
//! ```text
//! POST <url>                               Content-Type: application/json
//! Firsthop-Timestamp: 1764000000           Firsthop-Signature: v1=<hex of HMAC-SHA256(secret, "1764000000." + body)>
//! ```
//! A receiver computes the signature over what it received and refuses a timestamp that is minutes off.

mod config;
mod places;
mod signature;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use firsthop_protocol::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};

pub use config::Config;

use crate::domain::ports::{AllocationAnswer, AllocationFault, AllocationRequest, Allocator};
use crate::http::body::{self, BodyError};
use crate::http::tls::{self, TlsError};
use places::Places;

/// How much of the answer of a webhook that failed is kept for the operator.
const MAX_TOLD: usize = 512;
/// Unused connections to one webhook.
const IDLE: usize = 8;

/// Calls webhooks.
pub struct Caller {
    client: reqwest::Client,
    places: Places,
    timeout: Duration,
    max_answer: usize,
}

/// Why no webhook can be called with these settings.
#[derive(Debug, thiserror::Error)]
pub enum WebhookConfigError {
    #[error("webhook.ca: {0}")]
    Authorities(#[from] TlsError),
    #[error("webhook: the HTTP client does not start: {0}")]
    Client(#[from] reqwest::Error),
}

impl Caller {
    pub fn new(config: &Config) -> Result<Self, WebhookConfigError> {
        let roots = match &config.ca {
            Some(path) => tls::authorities(path)?,
            None => tls::system_authorities(),
        };
        if roots.is_empty() {
            tracing::warn!("this system has no CA certificates: https webhooks will fail until webhook.ca names some");
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(roots, None)?)
            .user_agent(concat!("firsthop/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .http1_only()
            // Where a call goes is what the operator declared, not what a receiver or the environment says.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(IDLE)
            .build()?;
        Ok(Self {
            client,
            places: Places::new(config.concurrency),
            timeout: config.timeout,
            max_answer: config.max_answer.as_usize(),
        })
    }

    async fn call(&self, request: AllocationRequest) -> Result<AllocationAnswer, AllocationFault> {
        let deadline = Instant::now() + self.timeout;
        let place = timeout_at(deadline, self.places.take(&request.url)).await;
        let _place = place.map_err(|_| AllocationFault::Busy)?;
        timeout_at(deadline, self.post(&request)).await.unwrap_or(Err(AllocationFault::TimedOut(self.timeout)))
    }

    async fn post(&self, request: &AllocationRequest) -> Result<AllocationAnswer, AllocationFault> {
        let body = request.body.to_string();
        let mut call =
            self.client.post(&*request.url).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
        if let Some(secret) = &request.secret {
            let (at, signature) = signature::of(secret, Timestamp::now(), body.as_bytes());
            call = call.header(signature::TIMESTAMP, at).header(signature::SIGNATURE, signature);
        }
        let response = call.body(body).send().await.map_err(unanswered)?;
        let status = response.status();
        let content_type = response.headers().get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let content_type = content_type.map(|text| text.to_ascii_lowercase());
        let answer = body::of_answer(response, self.max_answer).await;
        if !status.is_success() {
            let body = answer.map(|body| told(&body)).unwrap_or_default();
            return Err(AllocationFault::Status { status: status.as_u16(), body });
        }
        let answer = answer.map_err(|error| match error {
            BodyError::TooLarge(limit) => AllocationFault::TooLarge(limit as u64),
            BodyError::TooSlow(time) => AllocationFault::TimedOut(time),
            BodyError::Broken(why) => AllocationFault::Unreachable(why),
        })?;
        if let Some(other) = content_type.filter(|text| !may_be_json(text)) {
            return Err(AllocationFault::Malformed(format!("its content type is {}", told(other.as_bytes()))));
        }
        let body = serde_json::from_slice(&answer).map_err(|error| AllocationFault::Malformed(error.to_string()))?;
        Ok(AllocationAnswer { body })
    }
}

impl Allocator for Caller {
    fn allocate(
        &self,
        request: AllocationRequest,
    ) -> Pin<Box<dyn Future<Output = Result<AllocationAnswer, AllocationFault>> + Send + '_>> {
        Box::pin(self.call(request))
    }
}

/// The URL is left out: the operator knows it, and it may hold a key.
fn unanswered(error: reqwest::Error) -> AllocationFault {
    AllocationFault::Unreachable(body::chain(&error.without_url()))
}

/// Receivers often do not say that they send JSON. One that says it is a page sends the page of a proxy or a log-in.
fn may_be_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.contains("json") || matches!(media, "" | "text/plain" | "application/octet-stream")
}

/// The beginning of a text from outside, fit for a line of a log.
fn told(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(MAX_TOLD).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
