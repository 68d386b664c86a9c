//! A running service: wired from its settings, drained at its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firsthop_protocol::Timestamp;
use tokio::task::JoinHandle;

use crate::domain::ports::Clock;
use crate::front::bus::RouterBus;
use crate::front::door::Door;
use crate::front::{listener, tls};
use crate::provisioner::Provisioner;
use crate::settings::Settings;
use crate::store::{OpenError, RedbStore};

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the bus does not start: {0}")]
    Bus(String),
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => " (does another firsthop or broker run here? set listener.address)",
        std::io::ErrorKind::PermissionDenied => " (ports below 1024 need a capability)",
        std::io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        _ => "",
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A service that takes connections.
pub struct Service {
    address: SocketAddr,
    door: Arc<Door>,
    store: Arc<RedbStore>,
    listening: JoinHandle<()>,
    grace: Duration,
}

impl Service {
    /// Opens the store and the listener. When this returns, devices can connect.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let tls = tls::server_config(&settings.tls)?;
        let store = Arc::new(open(settings.store, settings.store_tuning).await?);
        let clock = Arc::new(SystemClock::start());
        let now = clock.now();
        if let Some(notice) = tls::notice(&settings.tls, now) {
            tracing::warn!("server: {notice}");
        }
        for entry in settings.declared.book.iter() {
            for notice in entry.certificates.iter().filter_map(|certificate| certificate.notice(now)) {
                tracing::warn!(enrollment = %entry.name, "{notice}");
            }
        }
        let entries = settings.declared.book.len();
        let hubs = settings.declared.hubs.iter().count();
        let provisioner = Arc::new(Provisioner::new(store.clone(), clock, settings.declared, settings.quotas));
        let bus = Arc::new(RouterBus::start(settings.bus).map_err(|error| StartError::Bus(error.to_string()))?);
        let door = Door::new(settings.limits, provisioner, bus);
        let wanted = settings.listener.address;
        let socket = listener::bind(wanted).map_err(|error| StartError::Listen { address: wanted, error })?;
        let address = socket.local_addr().map_err(|error| StartError::Listen { address: wanted, error })?;
        let listening = tokio::spawn(listener::serve(door.clone(), socket, tls));
        tracing::info!(%address, enrollments = entries, hubs, "listening");
        Ok(Self { address, door, store, listening, grace: settings.shutdown.grace })
    }

    /// Where devices connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and registrations, answers what is under way, then closes everything. `false`: the time ran out
    /// before all sessions had ended. Nothing that was answered is lost either way.
    pub async fn stop(self) -> bool {
        self.door.provisioner.drain();
        self.door.stopping.cancel();
        let _ = self.listening.await;
        self.door.tasks.close();
        let clean = tokio::time::timeout(self.grace, self.door.tasks.wait()).await.is_ok();
        if !clean {
            tracing::warn!(sessions = self.door.tasks.len(), grace = ?self.grace, "not every session ended in time");
        }
        self.store.close().await;
        clean
    }
}

async fn open(path: PathBuf, tuning: crate::store::Config) -> Result<RedbStore, OpenError> {
    let opened = tokio::task::spawn_blocking(move || RedbStore::open(path, &tuning)).await;
    opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
