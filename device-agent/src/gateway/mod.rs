//! The agent as a daemon: one device, used by the programs of this machine through a local socket, by its hub through methods.
//!
//! ```text
//! configuration ──▶ Device ──updates──▶ life ──┬─▶ methods ──▶ programs
//!     SIGHUP ──▶ reload     ◀──handle──┐       └─▶ desired properties, messages ──┐
//!     SIGUSR1 ─▶ register again        └── local socket ◀─────────────────────────┘──▶ programs
//! ```

mod life;
pub mod local;
pub mod logging;
pub mod methods;
mod port;
mod reload;
pub mod settings;
mod signals;
mod systemd;

use std::io;
use std::path::PathBuf;

use firsthop_agent::device::{Device, StartError};
use firsthop_config::ConfigError;

use logging::Log;
use settings::Settings;
use signals::Signals;

/// Why the agent does not run, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    #[error("{0}")]
    Log(String),
    #[error("signals cannot be waited for: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Socket(#[from] local::OpenError),
    #[error(transparent)]
    Device(#[from] StartError),
    #[error("the device's task has ended by itself")]
    Ended,
    #[error("the local socket is not served any more: {0}")]
    Unserved(String),
}

/// Where the settings come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The configuration file.
    pub file: PathBuf,
    /// The log's filter, where the command line has one.
    pub filter: Option<String>,
}

impl Origin {
    /// Reads them. Blocks.
    pub fn read(&self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::load(&self.file)?;
        if let Some(filter) = &self.filter {
            settings.log.filter = filter.clone().into();
        }
        Ok(settings)
    }
}

/// Runs until a signal ends it. Who waits for the agent to be started is told when the socket is up.
pub async fn run(origin: Origin) -> Result<(), RunError> {
    let settings = origin.read()?;
    let log = Log::install(&settings.log).map_err(RunError::Log)?;
    let signals = Signals::new().map_err(RunError::Signals)?;
    // First the device: the lock of its folder lets one agent through, and the other one has not touched the socket yet. Nothing is sent
    // before the first await, so a socket that does not open leaves no trace.
    let device = Device::start(settings.device.clone())?;
    let socket = local::open(&settings.local.socket)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), file = %origin.file.display(), "started");
    life::live(origin, settings, log, signals, socket, device).await
}

#[cfg(test)]
pub mod tests;
