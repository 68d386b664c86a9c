//! A running service: wired from its settings, drained at its end.

mod hubs;
mod reach;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firsthop_protocol::{HubName, Timestamp};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::domain::ports::{Clock, StoreError};
use crate::front::bus::RouterBus;
use crate::front::door::Door;
use crate::front::hub::HubDoor;
use crate::front::{bus, listener, tls};
use crate::provisioner::{Declared, Ports, Provisioner};
use crate::settings::Settings;
use crate::store::{OpenError, RedbStore};
use crate::{admin, remote, webhook};
use hubs::{Bound, Hubs};

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the store cannot be read: {0}")]
    Read(#[from] StoreError),
    #[error("cannot listen on {address}: {error}{}", hint(error, key))]
    Listen { address: SocketAddr, error: std::io::Error, key: &'static str },
    #[error("the bus does not start: {0}")]
    Bus(String),
    #[error(transparent)]
    Webhook(#[from] webhook::WebhookConfigError),
    #[error(transparent)]
    RemoteHub(#[from] remote::RemoteError),
    #[error(transparent)]
    HubPort(#[from] remote::ServeError),
    #[error(
        "hub {hub} is in provisioning.lost_hubs, but its devices and their data are in this store: take it out of there"
    )]
    NotLost { hub: HubName },
    #[error(
        "hub {hub} was {was} and is declared as {is} now, but {registrations} devices have their data at the old place; \
         declare the new place under another name, and take {hub} out when its devices have moved"
    )]
    OtherPlace { hub: HubName, registrations: u64, was: &'static str, is: &'static str },
    #[error(transparent)]
    Admin(#[from] admin::ServeError),
}

fn hint(error: &std::io::Error, key: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(" (does another firsthop or broker run here? set {key})"),
        std::io::ErrorKind::PermissionDenied => " (ports below 1024 need a capability)".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => format!(" (this machine has no such address: {key})"),
        _ => String::new(),
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
    provisioning: Option<Provisioning>,
    hubs: Vec<Arc<HubDoor>>,
    ports: Vec<(HubName, SocketAddr)>,
    store: Arc<RedbStore>,
    /// What ends by itself once it is told to stop.
    tasks: Vec<JoinHandle<()>>,
    /// The management socket and the hub port.
    stopping: CancellationToken,
    grace: Duration,
}

/// The provisioning endpoint and what stands behind it.
struct Provisioning {
    door: Arc<Door>,
    provisioner: Arc<Provisioner>,
}

impl Service {
    /// Opens the store and every listener. When this returns, devices can connect.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        let tls = tls::server_config(&settings.tls)?;
        let listener = match settings.provisioning.enabled {
            true => Some(bind(settings.listener.address, "listener.address")?),
            false => None,
        };
        let own = listener.as_ref().map(|(_, address)| *address);
        let declared = std::mem::take(&mut settings.declared);
        let Bound { hubs: linked, listeners } = hubs::bind(declared.hubs, own, &settings.hub_tls, &tls)?;
        let store = Arc::new(open(settings.store.clone(), settings.store_tuning.clone()).await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        report(&settings, &declared.book, clock.now());

        let hubs = Hubs::new(&linked, store.clone(), clock.clone());
        let doors = hubs.doors(&linked, &settings.limits, &settings.bus)?;
        let stopping = CancellationToken::new();
        let mut tasks = Vec::new();
        let declared = Declared { hubs: linked, ..declared };
        let provisioning = match listener {
            Some((socket, address)) => {
                let counts = (declared.book.len(), declared.hubs.iter().count());
                let provisioning = Provisioning::new(&settings, declared, &hubs, &doors, store.clone(), clock).await?;
                tasks.push(tokio::spawn(listener::serve(provisioning.door.clone(), socket, tls)));
                tracing::info!(%address, enrollments = counts.0, hubs = counts.1, "listening");
                Some(provisioning)
            }
            None => None,
        };
        let address =
            own.or_else(|| listeners.first().map(|listener| listener.address)).unwrap_or(settings.listener.address);
        let mut ports = Vec::with_capacity(listeners.len());
        for hubs::Listener { name, socket, address, tls } in listeners {
            let Some(door) = doors.iter().find(|door| *door.hub.name() == name) else { continue };
            tasks.push(tokio::spawn(crate::front::hub::serve(door.clone(), socket, tls)));
            tracing::info!(hub = %name, %address, "hub listening");
            ports.push((name, address));
        }
        if let Some(config) = &settings.hub_port {
            let (address, serving) = remote::serve(config, hubs.embedded(), stopping.clone())?;
            tasks.push(serving);
            tracing::info!(%address, "hub port listening");
        }
        let provisioner = provisioning.as_ref().map(|provisioning| provisioning.provisioner.clone());
        if let Some(serving) = admin::serve(&settings.admin, provisioner, hubs.embedded(), stopping.clone())? {
            tasks.push(serving);
            let path = settings.admin.socket.unwrap_or_default();
            tracing::info!(path = %path.display(), "management socket");
        }
        Ok(Self { address, ports, provisioning, hubs: doors, store, tasks, stopping, grace: settings.shutdown.grace })
    }

    /// Where devices connect: the provisioning endpoint, or the first hub of a process with hubs only.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hubs with a port of their own, and where devices of theirs connect.
    pub fn hubs(&self) -> &[(HubName, SocketAddr)] {
        &self.ports
    }

    /// Takes no more connections and registrations, answers what is under way, then closes everything. `false`: the time ran out
    /// before all sessions had ended. Nothing that was answered is lost either way.
    pub async fn stop(self) -> bool {
        let endpoints: Vec<_> = self
            .provisioning
            .iter()
            .map(|provisioning| &provisioning.door.endpoint)
            .chain(self.hubs.iter().map(|hub| &hub.endpoint))
            .collect();
        if let Some(provisioning) = &self.provisioning {
            provisioning.provisioner.drain();
        }
        for endpoint in &endpoints {
            endpoint.stopping.cancel();
        }
        self.stopping.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
        let ended = async {
            for endpoint in &endpoints {
                endpoint.tasks.close();
                endpoint.tasks.wait().await;
            }
        };
        tokio::pin!(ended);
        let mut clean = tokio::time::timeout(self.grace / 2, &mut ended).await.is_ok();
        if let Some(provisioning) = &self.provisioning {
            // Registrations that wait for a hub are answered that they have to; the journal has their moves.
            provisioning.provisioner.stop().await;
        }
        if !clean {
            clean = tokio::time::timeout(self.grace / 2, ended).await.is_ok();
        }
        if !clean {
            let sessions: usize = endpoints.iter().map(|endpoint| endpoint.tasks.len()).sum();
            tracing::warn!(sessions, grace = ?self.grace, "not every session ended in time");
        }
        self.store.close().await;
        clean
    }
}

impl Provisioning {
    async fn new(
        settings: &Settings,
        declared: Declared,
        hubs: &Hubs,
        doors: &[Arc<HubDoor>],
        store: Arc<RedbStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let shared = hubs::shared(&declared.hubs, doors);
        let ports = Ports {
            hubs: reach::hubs(&declared.hubs, hubs, settings.hub_client.as_ref(), &*store).await?,
            allocator: Arc::new(webhook::Caller::new(&settings.webhook)?),
            store,
            clock,
        };
        let provisioner = Arc::new(Provisioner::new(ports, declared, settings.quotas.clone())?);
        let bus = start_bus(&settings.bus)?;
        let door = Door::new(settings.limits.clone(), provisioner.clone(), bus, shared);
        provisioner.set_sessions(door.registry.clone());
        provisioner.resume()?;
        Ok(Self { door, provisioner })
    }
}

/// Tells what somebody should know who reads the log.
fn report(settings: &Settings, book: &crate::domain::book::Book, now: Timestamp) {
    if let Some(notice) = tls::notice(&settings.tls, now) {
        tracing::warn!("server: {notice}");
    }
    for (hub, config) in &settings.hub_tls {
        if let Some(notice) = tls::notice(config, now) {
            tracing::warn!(%hub, "{notice}");
        }
    }
    for entry in book.iter() {
        for notice in entry.certificates.iter().filter_map(|certificate| certificate.notice(now)) {
            tracing::warn!(enrollment = %entry.name, "{notice}");
        }
    }
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
}

fn start_bus(config: &bus::Config) -> Result<Arc<RouterBus>, StartError> {
    RouterBus::start(config.clone()).map(Arc::new).map_err(|error| StartError::Bus(error.to_string()))
}

/// A socket and the address that it was bound to.
fn bind(wanted: SocketAddr, key: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { address: wanted, error, key };
    let socket = listener::bind(wanted).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok((socket, address))
}

async fn open(path: PathBuf, tuning: crate::store::Config) -> Result<RedbStore, OpenError> {
    let opened = tokio::task::spawn_blocking(move || RedbStore::open(path, &tuning)).await;
    opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// TLS of an endpoint.
type Tls = Arc<ServerConfig>;

#[cfg(test)]
mod hub_on_disk;
