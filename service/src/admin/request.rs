//! The parts of a request, parsed at the door.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use firsthop_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::desk::Desk;
use super::problem::Problem;
use crate::http::body;

/// The largest body.
const MAX_BODY: usize = 256 * 1024;
/// Time for a body.
const TIME: Duration = Duration::from_secs(10);

/// The one identifier of the path.
pub struct Id<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Desk>> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        let Path(id) = Path::from_request_parts(parts, desk)
            .await
            .map_err(|error| Problem::invalid("the id in the path", error.body_text()))?;
        Ok(Self(id))
    }
}

/// A body of bytes.
pub struct Raw(pub Bytes);

impl FromRequest<Arc<Desk>> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Desk>) -> Result<Self, Problem> {
        Ok(Self(body::of_request(request.into_body(), MAX_BODY, TIME).await?))
    }
}

/// A JSON body.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Desk>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, desk).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::new(ErrorCode::MalformedBody, format!("the body: {error}")))
    }
}

/// The version that `If-Match` expects; `None`: any.
pub struct IfMatch(pub Option<u64>);

impl FromRequestParts<Arc<Desk>> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Desk>) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        if value.as_bytes() == b"*" {
            return Ok(Self(None));
        }
        let version = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
        version
            .map(|version| Self(Some(version)))
            .ok_or_else(|| Problem::invalid("If-Match", "must be one etag, as an answer had it, or *"))
    }
}
