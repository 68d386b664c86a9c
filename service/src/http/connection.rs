//! One HTTP/1 connection, from its first byte to its end. Each wait in it has a limit.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Time for the head of a request, and how long a connection may have none. Longer than clients of ours keep an unused connection, so
/// that none is closed under a request.
const HEAD: Duration = Duration::from_secs(75);
/// How old a connection grows: also one whose client does not read its answers ends.
const AGE: Duration = Duration::from_secs(3600);
/// What the longest request may take (a direct method waits for its device, and then for its answer), and its answer.
const REQUEST: Duration = Duration::from_secs(660);
/// What a request under way may still take when the process stops.
const GRACE: Duration = Duration::from_secs(5);
/// The largest head of a request.
const MAX_HEAD: usize = 16 * 1024;

/// Serves a connection until its client ends it, it is old, or the process stops.
pub async fn serve<I>(stream: I, routes: Router, stopping: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let mut last = REQUEST;
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopping.cancelled() => {
            last = GRACE;
            None
        }
        () = tokio::time::sleep(AGE) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(last, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "HTTP connection ended"),
        Err(_) => tracing::debug!("HTTP connection cut: its last request did not end"),
    }
}
