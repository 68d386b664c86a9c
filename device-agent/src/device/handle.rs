//! What a device can be asked for.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::snapshot::Snapshot;
use super::{DeviceConfig, Status};
use crate::SetupError;
use crate::disk::{DiskError, Telemetry};
use crate::twin::{Desired, Properties, ReportError};

/// Most requests that wait for the device's task.
pub(super) const MAX_REQUESTS: usize = 64;

/// Why a device does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its credentials cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Its folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The device has been stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device is stopping")]
pub struct Stopped;

/// Why telemetry is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The property bag is none.
    #[error("properties: {0}")]
    Properties(#[from] firsthop_protocol::property_bag::BagError),
    /// It cannot be kept.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why reported properties are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReportRefused {
    /// A hub would not take them.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// They cannot be kept now. They may reach the hub all the same, but not after a restart.
    #[error(transparent)]
    Disk(Arc<DiskError>),
}

/// What the task is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Report(Properties, oneshot::Sender<Result<(), ReportRefused>>),
    Published,
    RegisterAgain { reset: bool },
    Configure(Box<DeviceConfig>, oneshot::Sender<Result<(), SetupError>>),
    WantMessages(bool),
    Stop,
}

/// A running device, for those who ask it for something. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) desired: watch::Receiver<Option<Arc<Desired>>>,
    pub(super) disk: crate::disk::Disk,
}

impl Handle {
    /// Hands telemetry in. Done when it is on the disk; it is sent in its order, at least once, as soon as there is a hub.
    pub async fn publish(&self, message: Telemetry) -> Result<(), PublishError> {
        firsthop_protocol::property_bag::check(&message.properties)?;
        self.disk.store(message).await?;
        // A full queue is read soon, and the outbox with it.
        let _ = self.requests.try_send(Request::Published);
        Ok(())
    }

    /// Reports properties: a merge patch, `null` removes. Done when it is on the disk; it is sent as soon as there is a hub.
    pub async fn report(&self, patch: Properties) -> Result<(), ReportRefused> {
        let (sender, done) = oneshot::channel();
        let stopped = || ReportRefused::Disk(Arc::new(DiskError::Stopped));
        self.requests.send(Request::Report(patch, sender)).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())?
    }

    /// The desired properties as last known, also without a connection.
    pub fn desired(&self) -> Option<Arc<Desired>> {
        self.desired.borrow().clone()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let snapshot = self.snapshot.borrow().clone();
        snapshot.status(self.disk.outbox())
    }

    /// Waits for the next change of the status, and gives it.
    pub async fn status_changed(&mut self) -> Result<Status, Stopped> {
        self.snapshot.changed().await.map_err(|_| Stopped)?;
        self.snapshot.borrow_and_update();
        Ok(self.status())
    }

    /// Registers again, now (rule C7). With `reset` the device begins anew: what is kept of its twin is dropped as soon as the new
    /// assignment is proven.
    pub async fn register_again(&self, reset: bool) -> Result<(), Stopped> {
        self.requests.send(Request::RegisterAgain { reset }).await.map_err(|_| Stopped)
    }

    /// Takes another configuration, or reads the same files again. The state's folder stays. On an error nothing changes.
    pub async fn configure(&self, config: DeviceConfig) -> Result<(), SetupError> {
        let (sender, done) = oneshot::channel();
        match self.requests.send(Request::Configure(Box::new(config), sender)).await {
            Ok(()) => done.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Whether somebody takes device-bound messages. While nobody does they wait in the hub's command queue, which is how it begins.
    pub async fn want_messages(&self, want: bool) -> Result<(), Stopped> {
        self.requests.send(Request::WantMessages(want)).await.map_err(|_| Stopped)
    }

    /// Tells the device to end. [`Device::stop`](super::Device::stop) waits for it, too.
    pub fn stop(&self) {
        // Where the queue is full, the task is told by the end of its updates.
        let _ = self.requests.try_send(Request::Stop);
    }
}
