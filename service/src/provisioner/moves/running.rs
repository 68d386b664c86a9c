//! A move under way: what it needs, how far it has come, and who waits for it.

use std::sync::Arc;

use firsthop_protocol::ETag;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::device::Device;
use crate::domain::hub::Keeps;
use crate::domain::hub_device::DeviceState;
use crate::domain::refusal::Refusal;
use crate::domain::transfer::{Step, Transfer};
use crate::provisioner::operator::{Exchange, OperationView};

/// A move and what its steps need besides the journal.
#[derive(Debug, Clone)]
pub(in crate::provisioner) struct Job {
    pub transfer: Transfer,
    /// Whether the new hub keeps devices.
    pub keeps: Keeps,
    /// `host:port` of the new hub, for clients of the old one.
    pub moved_to: Option<String>,
    /// The state of a device whose old hub has none.
    pub initial: DeviceState,
    /// What changes in the registry with the commit.
    pub device: Option<Device>,
    pub webhook: Option<Exchange>,
}

/// How far a move has come.
#[derive(Debug, Clone)]
pub(in crate::provisioner) struct Stage {
    pub step: Step,
    pub retries: u32,
    pub error: Option<String>,
    /// The device is let in on its new hub, or again on its old one.
    pub settled: Option<Result<ETag, Refusal>>,
    pub ended: bool,
}

impl Stage {
    /// Whether the device can work again. What is left is to be cleared away on a hub where it is not.
    pub fn is_settled(&self) -> bool {
        self.step == Step::Released || self.settled.is_some()
    }
}

/// A move that somebody may wait for.
#[derive(Clone)]
pub(in crate::provisioner) struct Running {
    pub transfer: Arc<Transfer>,
    pub(super) webhook: Option<Exchange>,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) cancel: CancellationToken,
}

impl Running {
    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// Waits until the device is let in, or the move was undone. `None`: the service stops.
    pub async fn settled(mut self) -> Option<Result<ETag, Refusal>> {
        self.stage.wait_for(|stage| stage.settled.is_some()).await.ok().and_then(|stage| stage.settled.clone())
    }

    /// Waits for the end, also of what is left to be cleared away. `false`: the service stops.
    pub async fn ended(mut self) -> bool {
        self.stage.wait_for(|stage| stage.ended).await.is_ok()
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    pub fn view(&self) -> OperationView {
        let (transfer, stage) = (&self.transfer, self.stage());
        OperationView {
            id: transfer.id,
            registration_id: transfer.registration_id.clone(),
            from: transfer.from.clone(),
            to: Some(transfer.to.clone()),
            step: Some(stage.step),
            started: transfer.started,
            ended: None,
            retries: stage.retries,
            error: stage.error,
            webhook: self.webhook.clone(),
        }
    }
}
