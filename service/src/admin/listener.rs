//! Accepts operators: a bounded number at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::socket::Socket;
use crate::http::connection;

/// Connections at a time. A direct method may hold one for minutes.
const CONNECTIONS: usize = 64;
/// How long to pause when the system has no descriptor left.
const OUT_OF_FILES: Duration = Duration::from_millis(500);

/// Serves until `stopping`, and then until the last connection has ended.
pub async fn serve(socket: Socket, routes: Router, stopping: CancellationToken) {
    let (places, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            // All places taken: the system queues newcomers meanwhile. The semaphore is never closed.
            accepted = async { (places.clone().acquire_owned().await.ok(), socket.listener.accept().await) } => accepted,
        };
        match accepted {
            (place, Ok((stream, _))) => {
                // Who asks, by the system's word.
                let (user, process) = stream.peer_cred().map_or((None, None), |peer| (Some(peer.uid()), peer.pid()));
                let span = tracing::info_span!("admin", user, process);
                let served = connection::serve(stream, routes.clone(), stopping.clone()).instrument(span);
                tasks.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "the management socket cannot accept a connection");
                tokio::time::sleep(OUT_OF_FILES).await;
            }
        }
    }
    drop(socket);
    tasks.close();
    tasks.wait().await;
}
