//! The record of what operators did: every request that may change something, with who made it and how it ended.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

/// Most characters of a path that are logged: longer ones name nothing that exists.
const MAX_PATH: usize = 300;

/// Logs the request once it is answered. Who made it stands in the span of the connection.
pub async fn record(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    if method == Method::GET || method == Method::HEAD {
        return next.run(request).await;
    }
    let path: String = request.uri().path().chars().take(MAX_PATH).collect();
    let response = next.run(request).await;
    tracing::info!(%method, path, status = response.status().as_u16(), "asked by an operator");
    response
}
