//! The one thread that reads and writes the folder. It takes all that waits, and commits what goes into the outbox at once.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::error;

use super::folder::Folder;
use super::generations::Generations;
use super::outbox::{Fate, Gone, Outbox};
use super::{DiskError, OutboxLimits, OutboxState, Sequence, Telemetry};
use crate::flow::Known;
use crate::twin::Kept;

/// How long what a hub acknowledged is gathered before it is taken out, unless there is a commit for something else.
const GATHER: Duration = Duration::from_secs(1);

pub(super) type Answer<T> = oneshot::Sender<Result<T, DiskError>>;

/// What the thread is asked to do.
pub(super) enum Job {
    SaveKnown(Box<Known>, Answer<()>),
    SaveTwin(Box<Kept>, Answer<()>),
    Store(Telemetry, Answer<Sequence>),
    Load {
        behind: Option<Sequence>,
        messages: usize,
        bytes: usize,
        answer: Answer<Vec<(Sequence, Telemetry)>>,
    },
    /// Something is gone.
    Gather,
    /// Finish what waits, let go of the folder, then say so.
    Close(oneshot::Sender<()>),
}

/// A job, and the room that it takes in the queue until it is done.
pub(super) struct Queued {
    pub job: Job,
    pub _room: Option<OwnedSemaphorePermit>,
}

/// What handles and thread share. No lock is held while anything is waited for.
#[derive(Debug, Default)]
pub(super) struct Shared {
    gone: Mutex<Gone>,
    state: Mutex<OutboxState>,
    limits: Mutex<OutboxLimits>,
}

impl Shared {
    pub fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn limits(&self) -> MutexGuard<'_, OutboxLimits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Thread {
    pub folder: Folder,
    pub known: Generations<Known>,
    pub twin: Generations<Kept>,
    pub outbox: Outbox,
    pub shared: Arc<Shared>,
}

impl Thread {
    /// Runs until it is told to close, or nobody is left to tell it anything.
    pub fn run(mut self, queue: Receiver<Queued>) {
        let mut closing = Vec::new();
        let mut gather_by: Option<Instant> = None;
        while closing.is_empty() {
            let first = match gather_by {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(by) => queue.recv_timeout(by.saturating_duration_since(Instant::now())),
            };
            match first {
                Ok(first) => self.serve(first, &queue, &mut closing),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if gather_by.is_some_and(|by| by <= Instant::now()) {
                self.commit(Vec::new());
                gather_by = None;
            }
            gather_by = match self.shared.gone().is_empty() {
                true => None,
                false => gather_by.or_else(|| Some(Instant::now() + GATHER)),
            };
        }
        // What comes now finds nobody, and is answered so.
        drop(queue);
        self.commit(Vec::new());
        self.outbox.close();
        drop(self.folder);
        for closed in closing {
            // Nobody may wait for it any more.
            let _ = closed.send(());
        }
    }

    fn serve(&mut self, first: Queued, queue: &Receiver<Queued>, closing: &mut Vec<oneshot::Sender<()>>) {
        let mut rooms = Vec::new();
        let (mut stores, mut loads) = (Vec::new(), Vec::new());
        // The room of those that were taken is not free yet, so this ends.
        for Queued { job, _room } in std::iter::once(first).chain(queue.try_iter()) {
            rooms.push(_room);
            match job {
                // Those who asked may not wait for the answer any more.
                Job::SaveKnown(known, answer) => drop(answer.send(self.known.save(&self.folder, &known))),
                Job::SaveTwin(twin, answer) => drop(answer.send(self.twin.save(&self.folder, &twin))),
                Job::Store(message, answer) => stores.push((message, answer)),
                Job::Load { behind, messages, bytes, answer } => loads.push((behind, (messages, bytes), answer)),
                Job::Gather => {}
                Job::Close(closed) => closing.push(closed),
            }
        }
        if !stores.is_empty() {
            self.commit(stores);
        }
        for (behind, most, answer) in loads {
            let _ = answer.send(self.load(behind, most));
        }
    }

    /// Commits those that wait, together with what is gone.
    fn commit(&mut self, stores: Vec<(Telemetry, Answer<Sequence>)>) {
        let gone = self.shared.gone().clone();
        if stores.is_empty() && gone.is_empty() {
            return;
        }
        let limits = *self.shared.limits();
        let messages: Vec<&Telemetry> = stores.iter().map(|(message, _)| message).collect();
        match self.outbox.commit(&self.folder, &messages, &gone, limits) {
            Ok(answers) => {
                *self.shared.state() = self.outbox.state();
                self.shared.gone().retain(|sequence, _| !gone.contains_key(sequence));
                for ((_, answer), stored) in stores.into_iter().zip(answers) {
                    let _ = answer.send(stored);
                }
            }
            Err(fault) => {
                error!(%fault, messages = stores.len(), "the outbox could not be written");
                for (_, answer) in stores {
                    let _ = answer.send(Err(self.outbox.error(&fault, &self.folder)));
                }
            }
        }
    }

    fn load(
        &mut self,
        behind: Option<Sequence>,
        most: (usize, usize),
    ) -> Result<Vec<(Sequence, Telemetry)>, DiskError> {
        loop {
            let gone = self.shared.gone().clone();
            let loaded = self.outbox.load(&self.folder, behind, most, &gone);
            *self.shared.state() = self.outbox.state();
            let loaded = loaded.map_err(|fault| self.outbox.error(&fault, &self.folder))?;
            let (mut messages, found) = (Vec::with_capacity(loaded.len()), !loaded.is_empty());
            for (sequence, message) in loaded {
                match message {
                    Some(message) => messages.push((sequence, message)),
                    None => {
                        error!(sequence = sequence.0, "a message in the outbox is damaged; it is dropped");
                        self.shared.gone().insert(sequence.0, Fate::Refused);
                    }
                }
            }
            // None means that there is none: behind damaged ones only, it is looked on.
            if !messages.is_empty() || !found {
                return Ok(messages);
            }
        }
    }
}
