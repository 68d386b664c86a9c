//! Moves of devices between hubs that do not share the registrations' store: journaled, resumed after a restart, tried again while a hub
//! is down, a bounded number of them working at a time.

mod backoff;
mod run;
mod running;
mod steps;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firsthop_protocol::{ErrorCode, HubName, OperationId, RegistrationId};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::operator::OperationLog;
use crate::domain::hub::Keeps;
use crate::domain::ports::{Clock, CommitError, Hub, HubError, JournalWrite, Store, StoreError};
use crate::domain::refusal::Refusal;
use crate::domain::transfer::{Step, Transfer};
use crate::fault_point;
pub(super) use running::{Job, Running, Stage};
pub(super) use trouble::taken;

/// Moves that work with one hub at the same time; others wait for their turn, but not for that of another hub.
const WORKING: usize = 32;
/// Moves under way, those that wait for a hub included.
const UNDER_WAY: usize = 65_536;
/// Device states in memory that wait for the next step of their move; each may have a few MiB.
const AT_HAND: usize = 64;
/// Seconds after which a device should ask again when a hub cannot be reached.
const RETRY: u32 = 5;

pub(super) struct Moves {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hubs: BTreeMap<HubName, Reach>,
    running: Mutex<BTreeMap<RegistrationId, Running>>,
    pub log: OperationLog,
    /// Rights to keep a device's state in memory between two steps.
    at_hand: Arc<Semaphore>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// The way to a hub.
struct Reach {
    hub: Arc<dyn Hub>,
    turns: Semaphore,
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
            at_hand: Arc::new(Semaphore::new(AT_HAND)),
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
        let moves = self.clone();
        // In a task of its own: whoever asks may go away, and what is in the journal is to be carried on.
        let begun = self.tasks.spawn(async move {
            fault_point::before(Step::Planned.name());
            moves.store.journal(JournalWrite::Put(Box::new(job.transfer.clone()))).await?;
            fault_point::after(Step::Planned.name());
            Ok(moves.attach(job))
        });
        begun.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
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

    #[cfg(test)]
    pub fn states_at_hand(&self) -> usize {
        AT_HAND - self.at_hand.available_permits()
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
