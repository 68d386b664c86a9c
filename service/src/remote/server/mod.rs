//! The side of the process that has the hubs: only who shows a certificate of an allowed name is answered.

mod arrivals;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use firsthop_protocol::HubName;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::ServerConfig;
use crate::domain::ports::Hub;
use crate::http::tls::{self, Pair, TlsError};
use crate::hub::EmbeddedHub;
use arrivals::Door;

/// Why the hub port does not open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("hub_port: {0}")]
    Tls(#[from] TlsError),
    #[error("hub_port.listen: cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: std::io::Error },
}

/// The hubs of this process that can be called.
pub type Hubs = BTreeMap<HubName, Arc<dyn Hub>>;

/// Opens the hub port for these hubs. The address is the one that was bound; the task ends after `stopping`, when the calls under way are
/// answered.
pub fn serve(
    config: &ServerConfig,
    hubs: Vec<Arc<EmbeddedHub>>,
    stopping: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let hubs = hubs.into_iter().map(|hub| (hub.name().clone(), hub as Arc<dyn Hub>)).collect();
    open(config, hubs, stopping)
}

/// Opens the hub port for whatever is a hub.
pub fn open(
    config: &ServerConfig,
    hubs: Hubs,
    stopping: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let pair = Pair { certificate: &config.certificate, key: &config.key };
    let tls = tls::mutual_server(pair, tls::authorities(&config.client_ca)?)?;
    let listen = |error| ServeError::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let door = Door {
        routes: routes::of(hubs, config.timeout),
        clients: config.clients.iter().map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>(),
        timeout: config.timeout,
        places: config.connections,
        stopping,
    };
    Ok((address, tokio::spawn(door.serve(listener, Arc::new(tls)))))
}
