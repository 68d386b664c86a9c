//! Moves of devices between hubs that do not share the registrations' store: journaled, resumed after a restart, tried again while a hub
//! is down, a bounded number of them working at a time.

mod backoff;
mod steps;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firsthop_protocol::{ETag, ErrorCode, HubName, OperationId, RegistrationId};
use futures_util::FutureExt;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::operator::{Exchange, OperationLog, OperationView};
use crate::domain::device::Device;
use crate::domain::hub::Keeps;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::{Clock, CommitError, Hub, HubError, JournalWrite, Store, StoreError};
use crate::domain::refusal::Refusal;
use crate::domain::transfer::{Step, Transfer};
use crate::fault_point;
pub(super) use steps::taken;
use steps::{Mover, Trouble};

/// Moves that work with one hub at the same time; others wait for their turn, but not for that of another hub.
const WORKING: usize = 32;
/// Moves under way, those that wait for a hub included.
const UNDER_WAY: usize = 65_536;
/// Seconds after which a device should ask again when a hub cannot be reached.
const RETRY: u32 = 5;

/// A move and what its steps need besides the journal.
#[derive(Debug, Clone)]
pub(super) struct Job {
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
pub(super) struct Stage {
    pub step: Step,
    pub retries: u32,
    pub error: Option<String>,
    /// The device is let in on its new hub, or the move was undone.
    pub settled: Option<Result<ETag, Refusal>>,
    pub ended: bool,
}

pub(super) struct Moves {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hubs: BTreeMap<HubName, Reach>,
    running: Mutex<BTreeMap<RegistrationId, Running>>,
    pub log: OperationLog,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// The way to a hub.
struct Reach {
    hub: Arc<dyn Hub>,
    turns: Semaphore,
}

/// A move that somebody may wait for.
#[derive(Clone)]
pub(super) struct Running {
    pub transfer: Arc<Transfer>,
    webhook: Option<Exchange>,
    stage: watch::Receiver<Stage>,
    cancel: CancellationToken,
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

impl Moves {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ports: BTreeMap<HubName, Arc<dyn Hub>>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            hubs: ports.into_iter().map(|(name, hub)| (name, Reach { hub, turns: Semaphore::new(WORKING) })).collect(),
            running: Mutex::default(),
            log: OperationLog::default(),
            stopping,
            tasks: TaskTracker::new(),
        })
    }

    pub fn hub(&self, name: &HubName) -> Option<&Arc<dyn Hub>> {
        self.hubs.get(name).map(|reach| &reach.hub)
    }

    /// The move of that device that is under way.
    pub fn of(&self, id: &RegistrationId) -> Option<Running> {
        self.running().get(id).cloned()
    }

    pub fn all(&self) -> Vec<Running> {
        self.running().values().cloned().collect()
    }

    /// Refuses a move whose device would be taken from a hub where it can work and then have to wait: the new hub cannot be reached. An old
    /// hub that is away is waited for, because the device cannot work there either and its data is there; but there has to be a way to it.
    pub async fn preflight(&self, job: &Job) -> Result<(), Refusal> {
        if self.running().len() >= UNDER_WAY {
            let refusal = Refusal::new(ErrorCode::Throttled, "too many devices are being moved at this moment");
            return Err(refusal.retry_after(RETRY));
        }
        if let Some(hub) = job.transfer.from.as_ref().filter(|from| self.hub(from).is_none()) {
            return Err(unreachable(hub, "which has this device's data", &nowhere(hub)));
        }
        let to = Some(&job.transfer.to).filter(|_| job.keeps != Keeps::Nothing);
        let Some(hub) = to else { return Ok(()) };
        let status = match self.hub(hub) {
            Some(port) => port.status().await.map(drop),
            None => Err(nowhere(hub)),
        };
        status.map_err(|error| unreachable(hub, "which is to have this device", &error))
    }

    /// Writes a new move into the journal and begins it. A conflict: the device has another one, or its registration changed.
    pub async fn begin(self: &Arc<Self>, job: Job) -> Result<Running, CommitError> {
        fault_point::before(Step::Planned.name());
        self.store.journal(JournalWrite::Put(Box::new(job.transfer.clone()))).await?;
        fault_point::after(Step::Planned.name());
        Ok(self.attach(job))
    }

    /// Goes on with a move that is in the journal, unless that is being done.
    pub fn attach(self: &Arc<Self>, job: Job) -> Running {
        let mut running = self.running();
        if let Some(running) = running.get(&job.transfer.registration_id) {
            return running.clone();
        }
        let stage = Stage { step: job.transfer.step, retries: 0, error: None, settled: None, ended: false };
        let (sender, receiver) = watch::channel(stage);
        let begun = Running {
            transfer: Arc::new(job.transfer.clone()),
            webhook: job.webhook.clone(),
            stage: receiver,
            cancel: CancellationToken::new(),
        };
        running.insert(job.transfer.registration_id.clone(), begun.clone());
        let (moves, stopping, cancel) = (self.clone(), self.stopping.clone(), begun.cancel.clone());
        self.tasks.spawn(async move {
            stopping.run_until_cancelled(moves.run(job, &sender, &cancel)).await;
        });
        begun
    }

    /// Waits for those that are between two awaits; what they did not finish is in the journal.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run(&self, job: Job, stage: &watch::Sender<Stage>, cancel: &CancellationToken) {
        let mut mover = Mover::new(job);
        let mut undoing = (mover.step() == Step::Undoing).then(cancelled);
        loop {
            if undoing.is_none() && cancel.is_cancelled() && mover.can_be_undone() {
                undoing = Some(cancelled());
            }
            match self.work(&mut mover, undoing.is_some()).await {
                Ok(ended) => {
                    stage.send_modify(|stage| {
                        stage.step = mover.step();
                        stage.settled = stage.settled.take().or_else(|| settled(&mover, undoing.as_ref(), ended));
                    });
                    if ended {
                        break;
                    }
                }
                Err(Trouble::Never(refusal)) if undoing.is_none() && mover.step().can_be_undone() => {
                    tracing::warn!(registration_id = %mover.job.transfer.registration_id, operation_id = %mover.job.transfer.id,
                        detail = refusal.detail, "the move is undone");
                    stage.send_modify(|stage| stage.error = Some(refusal.detail.clone()));
                    undoing = Some(refusal);
                }
                Err(trouble) => self.pause(&mover, &trouble, stage, cancel).await,
            }
        }
        self.end(&mover, undoing.as_ref(), stage);
    }

    async fn work(&self, mover: &mut Mover, undoing: bool) -> Result<bool, Trouble> {
        let _turn = match mover.concerned().and_then(|hub| self.hubs.get(hub)) {
            // The semaphore is never closed.
            Some(reach) => reach.turns.acquire().await.ok(),
            None => None,
        };
        let attempt = async { if undoing { mover.undo(self).await.map(|()| true) } else { mover.advance(self).await } };
        let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(Trouble::Later("the step panicked".to_owned())))
    }

    /// Waits before the next attempt. An operator who cancels ends the waiting.
    async fn pause(&self, mover: &Mover, trouble: &Trouble, stage: &watch::Sender<Stage>, cancel: &CancellationToken) {
        let why = match trouble {
            Trouble::Later(why) => why,
            Trouble::Never(refusal) => &refusal.detail,
        };
        let transfer = &mover.job.transfer;
        let retries = stage.borrow().retries;
        tracing::warn!(registration_id = %transfer.registration_id, operation_id = %transfer.id, step = transfer.step.name(),
            retries, error = why, "a move waits");
        stage.send_modify(|stage| {
            stage.retries = stage.retries.saturating_add(1);
            stage.error = Some(why.clone());
        });
        let waiting = tokio::time::sleep(backoff::wait(transfer.id, retries));
        if mover.can_be_undone() && !cancel.is_cancelled() {
            cancel.run_until_cancelled(waiting).await;
        } else {
            waiting.await;
        }
    }

    fn end(&self, mover: &Mover, undone: Option<&Refusal>, stage: &watch::Sender<Stage>) {
        let transfer = &mover.job.transfer;
        let running = self.running().remove(&transfer.registration_id);
        if let Some(running) = running {
            let error = undone.map(|refusal| format!("undone: {}", refusal.message)).or_else(|| running.stage().error);
            self.log.add(OperationView { ended: Some(self.clock.now()), error, ..running.view() });
        }
        tracing::info!(registration_id = %transfer.registration_id, operation_id = %transfer.id, to = %transfer.to,
            from = transfer.from.as_ref().map(HubName::as_str), undone = undone.is_some(), "a move ended");
        stage.send_modify(|stage| stage.ended = true);
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<RegistrationId, Running>> {
        // Nothing between lock and unlock can leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All moves in the journal.
    pub fn journaled(&self) -> Result<Vec<Transfer>, StoreError> {
        const PAGE: usize = 256;
        let mut found: Vec<Transfer> = Vec::new();
        loop {
            let page = self.store.transfers(found.last().map(|last| &last.registration_id), PAGE)?;
            let last = page.len() < PAGE;
            found.extend(page);
            if last {
                return Ok(found);
            }
        }
    }

    /// The move with that id.
    pub fn by_id(&self, id: OperationId) -> Option<Running> {
        self.running().values().find(|running| running.transfer.id == id).cloned()
    }
}

fn nowhere(hub: &HubName) -> HubError {
    HubError::Unreachable { hub: hub.clone(), why: "it is not declared, and nobody knows where it is".to_owned() }
}

fn unreachable(hub: &HubName, role: &str, error: &HubError) -> Refusal {
    let message = format!("hub {hub}, {role}, cannot be reached; nothing was changed");
    Refusal::new(ErrorCode::HubUnreachable, message).detail(error.to_string()).retry_after(RETRY)
}

fn cancelled() -> Refusal {
    Refusal::new(ErrorCode::RegistrationUnderWay, "the move was undone").retry_after(1)
}

/// What those who wait are told, once there is something to be told.
fn settled(mover: &Mover, undone: Option<&Refusal>, ended: bool) -> Option<Result<ETag, Refusal>> {
    match undone {
        Some(refusal) if ended => Some(Err(refusal.clone())),
        None if mover.step() == Step::Released || ended => mover.etag.map(Ok),
        _ => None,
    }
}
