//! What a device asks its disk for.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use firsthop_protocol::{RegistrationId, property_bag};
use tokio::sync::{Semaphore, oneshot};

use super::folder::Folder;
use super::generations::Generations;
use super::outbox::{Fate, Outbox};
use super::thread::{Answer, Job, Queued, Shared, Thread};
use super::{DiskError, OutboxLimits, OutboxState, Recovered, Sequence, Telemetry, owner};
use crate::flow::Known;
use crate::twin;

/// Bytes of what waits for the thread; who comes later waits before the queue.
const QUEUE_BYTES: usize = 1024 * 1024;
/// What anything costs in the queue besides the bytes of a message.
const JOB_BYTES: usize = 1024;
/// A twin and assignments, about.
const SAVE_BYTES: usize = 64 * 1024;

/// A handle on the thread; cheap to clone. The thread ends with the last one, after what it was told.
#[derive(Debug, Clone)]
pub struct Disk {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Disk {
    /// Opens the folder, which is made if need be (0700), for this process alone. Blocks.
    pub fn start(folder: &Path, limits: OutboxLimits) -> Result<(Self, Recovered), DiskError> {
        Self::start_for(folder, limits, None)
    }

    /// The same for the device of that registration id: what the folder holds of another one is set aside.
    pub fn start_for(
        folder: &Path,
        limits: OutboxLimits,
        device: Option<&RegistrationId>,
    ) -> Result<(Self, Recovered), DiskError> {
        let folder = Folder::open(folder)?;
        let mut warnings = Vec::new();
        if let Some(device) = device {
            owner::claim(&folder, device.as_str(), &mut warnings)?;
        }
        let (known, known_found) = Generations::<Known>::open(&folder, "assignment.cbor", &mut warnings)?;
        let (twin, twin_found) = Generations::<twin::Kept>::open(&folder, "twin.cbor", &mut warnings)?;
        let outbox = Outbox::open(&folder, &mut warnings)?;
        let recovered =
            Recovered { known: known_found.unwrap_or_default(), twin: twin_found.unwrap_or_default(), warnings };
        let shared = Arc::new(Shared::default());
        *shared.limits() = limits;
        *shared.state() = outbox.state();
        let (sender, queue) = mpsc::channel();
        let path = folder.path().to_owned();
        let thread = Thread { folder, known, twin, outbox, shared: shared.clone() };
        let spawned = std::thread::Builder::new().name("disk".to_owned()).spawn(move || thread.run(queue));
        spawned.map_err(|source| DiskError::Folder { path, source })?;
        Ok((Self { queue: sender, room: Arc::new(Semaphore::new(QUEUE_BYTES)), shared }, recovered))
    }

    /// Keeps the assignments. Done when they are on the disk.
    pub async fn save_known(&self, known: Known) -> Result<(), DiskError> {
        self.ask(SAVE_BYTES, |answer| Job::SaveKnown(Box::new(known), answer)).await
    }

    /// Keeps what has to be kept of the twin. Done when it is on the disk.
    pub async fn save_twin(&self, twin: twin::Kept) -> Result<(), DiskError> {
        self.ask(SAVE_BYTES, |answer| Job::SaveTwin(Box::new(twin), answer)).await
    }

    /// Puts a message into the outbox. Done when it is on the disk. Messages that wait at the same time share a commit.
    pub async fn store(&self, message: Telemetry) -> Result<Sequence, DiskError> {
        for (len, limit) in
            [(message.body.len(), Telemetry::MAX_BODY), (message.properties.len(), property_bag::MAX_LEN)]
        {
            if len > limit {
                return Err(DiskError::TooLarge { len, limit });
            }
        }
        self.ask(message.len(), |answer| Job::Store(message, answer)).await
    }

    /// The oldest messages behind that one (`None`: from the first), at most `messages` of them and about `bytes` in all, but one at least.
    pub async fn load(
        &self,
        behind: Option<Sequence>,
        messages: usize,
        bytes: usize,
    ) -> Result<Vec<(Sequence, Telemetry)>, DiskError> {
        self.ask(0, |answer| Job::Load { behind, messages, bytes, answer }).await
    }

    /// Takes messages out that a hub has acknowledged. Gathered: on the disk soon, not at once; a crash before sends them again.
    pub fn remove(&self, messages: Vec<Sequence>) {
        self.gone(messages, Fate::Acknowledged);
    }

    /// Takes a message out that a hub refused for good, and counts it as dropped.
    pub fn drop_refused(&self, message: Sequence) {
        self.gone(vec![message], Fate::Refused);
    }

    /// How the outbox stands on the disk.
    pub fn outbox(&self) -> OutboxState {
        *self.shared.state()
    }

    /// Other limits, for what comes from now on.
    pub fn set_limits(&self, limits: OutboxLimits) {
        *self.shared.limits() = limits;
    }

    /// Has the thread finish what it was told, by any handle, and let go of the folder. Other handles are of no use then.
    pub async fn close(&self) {
        let (closed, done) = oneshot::channel();
        // An error says that it is closed already, or is being so by who told it first.
        if self.queue.send(Queued { job: Job::Close(closed), _room: None }).is_ok() {
            let _ = done.await;
        }
    }

    fn gone(&self, messages: Vec<Sequence>, fate: Fate) {
        let mut gone = self.shared.gone();
        let was_empty = gone.is_empty();
        gone.extend(messages.into_iter().map(|Sequence(sequence)| (sequence, fate)));
        // It is only to be told that there is something, which it looks at again until there is nothing. An error: it has ended.
        if was_empty && !gone.is_empty() {
            let _ = self.queue.send(Queued { job: Job::Gather, _room: None });
        }
    }

    async fn ask<T>(&self, bytes: usize, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, DiskError> {
        let bytes = u32::try_from(JOB_BYTES + bytes).map_err(|_| DiskError::Stopped)?;
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| DiskError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        let queued = Queued { job: job(answer), _room: Some(room) };
        self.queue.send(queued).map_err(|_| DiskError::Stopped)?;
        answered.await.unwrap_or(Err(DiskError::Stopped))
    }
}
