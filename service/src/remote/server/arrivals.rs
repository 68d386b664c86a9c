//! Accepts connections of callers: a bounded number, each handshake in its own task and under a time limit.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::routes;
use crate::http::connection;

/// How long to pause when the system has no descriptor left.
const OUT_OF_FILES: Duration = Duration::from_millis(500);

/// What a connection needs to be served.
pub struct Door {
    pub routes: Router,
    /// Common names that may call, in lower case.
    pub clients: BTreeSet<String>,
    pub timeout: Duration,
    pub places: usize,
    pub stopping: CancellationToken,
}

impl Door {
    /// Serves until `stopping`, and then until the last connection has ended.
    pub async fn serve(self, listener: TcpListener, tls: Arc<ServerConfig>) {
        let acceptor = TlsAcceptor::from(tls);
        let places = Arc::new(Semaphore::new(self.places.clamp(1, Semaphore::MAX_PERMITS)));
        let (door, tasks) = (Arc::new(self), TaskTracker::new());
        loop {
            let accepted = tokio::select! {
                biased;
                () = door.stopping.cancelled() => break,
                // All places taken: the system queues newcomers meanwhile. The semaphore is never closed.
                accepted = async { (places.clone().acquire_owned().await.ok(), listener.accept().await) } => accepted,
            };
            let (place, (stream, peer)) = match accepted {
                (place, Ok(accepted)) => (place, accepted),
                (_, Err(error)) => {
                    tracing::warn!(%error, "the hub port cannot accept a connection");
                    tokio::time::sleep(OUT_OF_FILES).await;
                    continue;
                }
            };
            let (door, acceptor) = (door.clone(), acceptor.clone());
            tasks.spawn(async move {
                door.connect(acceptor, stream, peer).await;
                drop(place);
            });
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn connect(&self, acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and wanted at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "connection to the hub port ended at once");
            return;
        }
        let handshake = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return,
            handshake = tokio::time::timeout(self.timeout, acceptor.accept(stream)) => handshake,
        };
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(%peer, %error, "the hub port refused a connection");
                return;
            }
            Err(_) => {
                tracing::info!(%peer, limit = ?self.timeout, "the hub port refused a connection: no TLS handshake in time");
                return;
            }
        };
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let name = leaf.and_then(common_name).unwrap_or_default();
        let allowed = self.clients.contains(&name.to_ascii_lowercase());
        let routes = if allowed {
            self.routes.clone()
        } else {
            tracing::warn!(%peer, client = name, "the hub port refused a caller: hub_port.clients does not name it");
            routes::forbidden(&name)
        };
        let span = tracing::info_span!("hub_port", %peer, client = name);
        connection::serve(stream, routes, self.stopping.clone()).instrument(span).await;
    }
}

/// The only common name of a certificate. One with several has none: nobody could say which was meant.
fn common_name(leaf: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    names.next().is_none().then(|| name.to_owned())
}
