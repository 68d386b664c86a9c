//! Calls to a hub port: one connection pool, bounded in number, time and size.

use std::time::Duration;

use firsthop_protocol::HubName;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::ClientConfig;
use super::wire::{Fault, MAX_BODY, VERSION};
use crate::domain::ports::HubError;
use crate::http::body;
use crate::http::tls::{self, Pair, TlsError};

/// How long an unused connection is kept: less than the other end keeps it, so that none is closed under a call.
const IDLE: Duration = Duration::from_secs(60);

/// Why a hub cannot be called with these settings.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("hub {hub}: remote = {url:?} is not the address of a hub port: {reason}; write https://host:port")]
    Url { hub: HubName, url: String, reason: String },
    #[error("hub_client: {0}")]
    Tls(#[from] TlsError),
    #[error("hub_client: the HTTP client does not start: {0}")]
    Client(#[from] reqwest::Error),
}

/// The way to one hub.
pub struct Client {
    hub: HubName,
    /// Of the hub's paths, without a `/` at its end.
    base: String,
    http: reqwest::Client,
    /// Calls under way.
    calls: Semaphore,
    /// Calls of direct methods under way. Each may wait minutes for its device, and must not keep a move waiting.
    methods: Semaphore,
    timeout: Duration,
}

/// One call.
pub struct Call<B> {
    pub method: Method,
    /// Below the hub's.
    pub path: String,
    pub body: Option<B>,
    /// The largest answer.
    pub answer: usize,
    /// `Some`: a direct method, whose device may take so long.
    pub device_takes: Option<Duration>,
}

impl<B: Serialize> Call<B> {
    pub fn post(path: String, body: B) -> Self {
        Self { method: Method::POST, path, body: Some(body), answer: MAX_BODY, device_takes: None }
    }
}

impl Call<()> {
    pub fn read(path: String) -> Self {
        Self { method: Method::GET, path, body: None, answer: MAX_BODY, device_takes: None }
    }
}

impl<B> Call<B> {
    pub fn answer(mut self, largest: usize) -> Self {
        self.answer = largest;
        self
    }
}

impl Client {
    pub fn new(hub: HubName, url: &str, config: &ClientConfig) -> Result<Self, RemoteError> {
        let base = base(url).map_err(|reason| RemoteError::Url { hub: hub.clone(), url: url.to_owned(), reason })?;
        let pair = Pair { certificate: &config.certificate, key: &config.key };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(tls::authorities(&config.ca)?, Some(pair))?)
            .https_only(true)
            .http1_only()
            .connect_timeout(config.timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.connections)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            // Repeating is for the provisioner, which knows whether the call still matters.
            .retry(reqwest::retry::never())
            .build()?;
        let places = || Semaphore::new(config.connections.clamp(1, Semaphore::MAX_PERMITS));
        let base = format!("{base}/{VERSION}/hubs/{hub}");
        Ok(Self { hub, base, http, calls: places(), methods: places(), timeout: config.timeout })
    }

    pub fn hub(&self) -> &HubName {
        &self.hub
    }

    /// Calls, and reads the answer. A call that did not end in its time may have been done or not.
    pub async fn call<B: Serialize, A: DeserializeOwned>(&self, call: Call<B>) -> Result<A, HubError> {
        let now = Instant::now();
        let (places, time) = match call.device_takes {
            None => (&self.calls, self.timeout),
            Some(time) => (&self.methods, self.timeout.saturating_add(time)),
        };
        let place = timeout_at(now + self.timeout, places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(self.unavailable("as many calls are under way as may be (hub_client.connections)".to_owned()));
        };
        let late = || self.unreachable(format!("no answer within {time:?}"));
        timeout_at(now + time, self.exchange(call)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn exchange<B: Serialize, A: DeserializeOwned>(&self, call: Call<B>) -> Result<A, HubError> {
        let mut request = self.http.request(call.method, format!("{}{}", self.base, call.path));
        if let Some(body) = &call.body {
            let body = serde_json::to_vec(body).map_err(|error| self.refused(format!("no JSON: {error}")))?;
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(body::chain(&error.without_url())))?;
        let status = response.status();
        let limit = if status.is_success() { call.answer } else { MAX_BODY };
        let answer = body::of_answer(response, limit).await.map_err(|error| self.unreachable(error.to_string()))?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| {
                self.unreachable(format!("its answer is not one of this version of the hub port: {error}"))
            });
        }
        match serde_json::from_slice::<Fault>(&answer) {
            Ok(fault) => Err(fault.of_hub(self.hub.clone())),
            Err(_) => Err(self.unreachable(format!("status {status} from what is no hub port"))),
        }
    }

    pub fn unreachable(&self, why: String) -> HubError {
        HubError::Unreachable { hub: self.hub.clone(), why }
    }

    fn unavailable(&self, why: String) -> HubError {
        HubError::Unavailable { hub: self.hub.clone(), why }
    }

    fn refused(&self, why: String) -> HubError {
        HubError::Refused { hub: self.hub.clone(), why }
    }
}

/// Scheme, host and port of the URL, which must have nothing else.
fn base(url: &str) -> Result<String, String> {
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
    let rest = (parsed.path(), parsed.query(), parsed.fragment(), parsed.username(), parsed.password());
    match (parsed.scheme(), rest) {
        ("https", ("" | "/", None, None, "", None)) if parsed.has_host() => {
            Ok(parsed.as_str().trim_end_matches('/').to_owned())
        }
        ("https", _) => Err("it has more than a host and a port".to_owned()),
        (other, _) => Err(format!("it is {other}, and must be https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_with_a_host_and_a_port_is_the_address_of_a_hub_port() {
        for (url, expected) in [
            ("https://10.0.0.5:8444", "https://10.0.0.5:8444"),
            ("https://hub.example/", "https://hub.example"),
            ("https://[::1]:8444", "https://[::1]:8444"),
        ] {
            assert_eq!(base(url).as_deref(), Ok(expected));
        }
        for (url, reason) in [
            ("http://hub.example:8444", "must be https"),
            ("https://hub.example/hubs", "more than a host"),
            ("https://user:key@hub.example", "more than a host"),
            ("https://hub.example/?a=b", "more than a host"),
            ("hub.example:8444", "must be https"),
            ("", "relative"),
        ] {
            let told = base(url).unwrap_err();
            assert!(told.contains(reason), "{url}: {told}");
        }
    }
}
