//! Lists in pages.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::desk::Desk;
use super::problem::Problem;

const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";
const CONTINUATION: &str = "x-ms-continuation";
/// Items of a page, at most and when the request does not say.
const MAX_ITEMS: usize = 100;

/// The page that is asked for: so many items, from the one after `after` on.
pub struct Paging<P> {
    pub limit: usize,
    pub after: Option<P>,
}

impl<P: FromStr> FromRequestParts<Arc<Desk>> for Paging<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Desk>) -> Result<Self, Problem> {
        let said = |name| parts.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
        let limit = match said(MAX_ITEM_COUNT).map(str::parse) {
            None => MAX_ITEMS,
            Some(Ok(limit @ 1..)) => usize::min(limit, MAX_ITEMS),
            Some(_) => return Err(Problem::invalid(MAX_ITEM_COUNT, "must be a number from 1 on")),
        };
        let wrong = |_| Problem::invalid(CONTINUATION, "must be that of the answer with the page before");
        let after = said(CONTINUATION).map(|text| text.parse().map_err(wrong)).transpose()?;
        Ok(Self { limit, after })
    }
}

/// A page, and where the next one begins.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page that was asked for with this limit. A full one may have another after it, which begins after `last`.
    pub fn of(items: Vec<T>, limit: usize, last: Option<String>) -> Self {
        let next = if items.len() < limit { None } else { last };
        Self { items, next }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        if let Some(next) = self.next.and_then(|next| HeaderValue::try_from(next).ok()) {
            response.headers_mut().insert(CONTINUATION, next);
        }
        response
    }
}
