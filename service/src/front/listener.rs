//! Accepts connections. Each one's handshake runs in its own task, under a time limit and a bound on how many are under way.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{self, Reception};

/// How long to pause when the system has no descriptor left.
const OUT_OF_FILES: Duration = Duration::from_millis(500);
/// Connections that the system holds for us while we are busy.
const BACKLOG: i32 = 4096;

/// A byte stream to a client.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The certificates that the client showed and whose key it holds, leaf first.
    fn peer_chain(&self) -> &[CertificateDer<'static>];

    /// The host name that the client dialled (SNI).
    fn server_name(&self) -> Option<&str>;

    /// Acknowledges what was read without waiting for something to send along: a client whose TCP waits for that (Nagle) holds back
    /// its next packet for as long as our TCP delays it.
    fn acknowledge_now(&self);
}

impl Transport for TlsStream<TcpStream> {
    fn peer_chain(&self) -> &[CertificateDer<'static>] {
        self.get_ref().1.peer_certificates().unwrap_or_default()
    }

    fn server_name(&self) -> Option<&str> {
        self.get_ref().1.server_name()
    }

    fn acknowledge_now(&self) {
        // Without it the client is slower, and no more than that.
        let _ = socket2::SockRef::from(self.get_ref().0).set_tcp_quickack(true);
    }
}

/// Opens a listening socket.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves a listening socket until its endpoint stops.
pub async fn serve<D: Reception>(door: Arc<D>, listener: TcpListener, tls: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    let endpoint = door.endpoint().clone();
    let arrivals = Arc::new(Arrivals::new(endpoint.limits.handshakes));
    loop {
        let accepted = tokio::select! {
            biased;
            () = endpoint.stopping.cancelled() => return,
            accepted = arrivals.next(&listener) => accepted,
        };
        let (stream, peer, arrival) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        endpoint.tasks.spawn(connect(door.clone(), acceptor.clone(), stream, peer, arrival));
    }
}

async fn connect<D: Reception>(
    door: Arc<D>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    arrival: Arrival,
) {
    let endpoint = door.endpoint();
    let deadline = Instant::now() + endpoint.limits.time_to_connect;
    // Answers are small and wanted at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "connection ended at once");
        return;
    }
    let handshake = tokio::time::timeout_at(deadline, Box::pin(acceptor.accept(stream)));
    let handshake = tokio::select! {
        biased;
        () = endpoint.stopping.cancelled() => return,
        handshake = handshake => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => connection::serve(door, stream, peer, arrival, deadline).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

/// Counts connections between arrival and CONNECT: in all, and by address, so that one address cannot have all places.
struct Arrivals {
    places: Arc<Semaphore>,
    per_address: usize,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One place among the arrivals; given back when dropped.
pub struct Arrival {
    _place: OwnedSemaphorePermit,
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Arrivals {
    fn new(places: usize) -> Self {
        let places = places.max(2);
        Self { places: Arc::new(Semaphore::new(places)), per_address: places / 2, by_address: Arc::default() }
    }

    /// The next connection. `None`: it was closed because its address has all the places it may have.
    async fn next(&self, listener: &TcpListener) -> io::Result<Option<(TcpStream, SocketAddr, Arrival)>> {
        // All places taken: whoever holds them leaves within the time limit, and the system queues newcomers meanwhile.
        let place = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        let address = peer.ip();
        {
            let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_address.entry(address).or_default();
            if *count >= self.per_address {
                tracing::debug!(%peer, limit = self.per_address, "closed: too many handshakes under way from this address");
                return Ok(None);
            }
            *count += 1;
        }
        Ok(Some((stream, peer, Arrival { _place: place, address, by_address: self.by_address.clone() })))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
