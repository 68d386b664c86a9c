//! A device that looks after itself: registered, on its hub, and back there whatever happens.
//!
//! [`Device::start`] gives a [`Handle`] for what the device says and a stream of [`Update`]s for what it is told. One task does the rest:
//! the flow (`flow`), the connection to the hub (`hub`), the twin (`twin`), and what has to outlast a restart (`disk`).

mod attempt;
mod config;
mod driver;
mod forward;
mod handle;
mod identity;
mod keeping;
mod on_hub;
mod snapshot;
mod status;
mod update;

pub use config::{DeviceConfig, RegisterTemplate};
pub use handle::{Handle, PublishError, ReportRefused, StartError, Stopped};
pub use status::{CertificateStatus, FailureStatus, HubStatus, NextStatus, Status};
pub use update::{Message, MethodCall, Update};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A running device.
#[derive(Debug)]
pub struct Device {
    /// What the device is told. Read it: a method that nobody takes is answered with 503 and a message waits in the hub.
    pub updates: mpsc::Receiver<Update>,
    handle: Handle,
    task: JoinHandle<()>,
}

impl Device {
    /// Starts the device on the runtime of the caller. Reads files and blocks while it does.
    pub fn start(config: DeviceConfig) -> Result<Self, StartError> {
        driver::start(config)
    }

    /// What the device can be asked for; cheap to clone.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the connection with a good-bye and waits until everything is on the disk.
    pub async fn stop(self) {
        self.handle.stop();
        drop(self.updates);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the device's task failed");
        }
    }
}
