//! The one thread that writes. It takes all decisions that wait, commits them at once, and answers when they are durable.
//!
//! ```text
//! serving --batch failed--> closes and opens the file again --> pausing --pause over, next batch--> serving
//!                                      \--cannot--> away (reads fail too), tried again with the next batch after the pause
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::batch::{self, Request, Verdict};
use super::config::Config;
use super::fault::Fault;
use super::names::Names;
use super::open::Source;
use super::slot::Slot;
use super::tables::{self, FormatError, Sequence};
use crate::domain::ports::{CommitError, StoreError};

/// Those whose answers a commit held back come again within this time, but not all at once. Waiting so long for them made batches of 64
/// committers twice as large, and a registration a fifth cheaper; who is alone does not wait.
const LINGER: Duration = Duration::from_micros(300);

/// What the writer is asked to do.
#[expect(clippy::large_enum_variant, reason = "nearly all are commits")]
pub(super) enum Job {
    Commit(Request, oneshot::Sender<Verdict>),
    /// A reader found that generation of the database unusable.
    Reopen(u64),
    /// Finish what waits, close the file, then say so.
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    pub slot: Arc<Slot>,
    pub names: Arc<Names>,
    pub source: Box<dyn Source>,
    pub sequence: Sequence,
    pub max_batch: usize,
    /// How long nothing is tried after a failure. A commit that fails takes the database away from readers for a moment.
    pub pause: Duration,
    /// The failure that a pause follows, and when the pause is over.
    pub failed: Option<(Instant, Arc<str>)>,
}

type Waiting = (Request, oneshot::Sender<Verdict>);

impl Writer {
    pub fn start(self, config: &Config) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(usize::try_from(config.queue_length.get()).unwrap_or(usize::MAX >> 3));
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || self.run(queue))?;
        Ok((jobs, thread))
    }

    /// Runs until the queue is closed and empty.
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(self.max_batch);
        let mut waiting = Vec::with_capacity(self.max_batch);
        let mut closing = Vec::new();
        let mut last_taken = 0;
        while queue.blocking_recv_many(&mut jobs, self.max_batch) > 0 {
            if jobs.len() < last_taken {
                std::thread::sleep(LINGER);
                while jobs.len() < self.max_batch
                    && let Ok(job) = queue.try_recv()
                {
                    jobs.push(job);
                }
            }
            last_taken = jobs.len();
            for job in jobs.drain(..) {
                match job {
                    Job::Commit(request, answer) => waiting.push((request, answer)),
                    Job::Reopen(generation) => self.reopen(generation),
                    Job::Close(done) => {
                        queue.close();
                        closing.push(done);
                    }
                }
            }
            if !waiting.is_empty() {
                self.serve(&mut waiting);
            }
        }
        if let Some(fault) = self.slot.close() {
            warn!(%fault, "the store was not closed cleanly; nothing is lost");
        }
        for done in closing {
            // Nobody may wait for it any more.
            let _ = done.send(());
        }
    }

    fn reopen(&mut self, generation: u64) {
        let still_here = self.slot.take_report(generation);
        if still_here && self.pausing().is_none() {
            self.recover("the store's file could not be read");
        }
    }

    /// The failure that a pause follows, while it lasts.
    fn pausing(&self) -> Option<Arc<str>> {
        self.failed.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, reason)| reason.clone())
    }

    fn serve(&mut self, waiting: &mut Vec<Waiting>) {
        if let Some(reason) = self.pausing() {
            return refuse(waiting, &StoreError::Unavailable(reason));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(waiting)))
            .unwrap_or_else(|panic| Err(Fault::panic("committing", &*panic)));
        match outcome {
            Ok(verdicts) => {
                if self.failed.take().is_some() {
                    info!("the store writes again");
                }
                for ((_, answer), verdict) in waiting.drain(..).zip(verdicts) {
                    // Who asked may be gone; the decision stands.
                    let _ = answer.send(verdict);
                }
            }
            Err(fault) => {
                error!(%fault, decisions = waiting.len(), "the store could not commit");
                self.recover(&fault.to_string());
                refuse(waiting, &StoreError::from(&fault));
            }
        }
    }

    fn commit(&mut self, waiting: &[Waiting]) -> Result<Vec<Verdict>, Fault> {
        if self.slot.is_away() {
            self.open_again()?;
        }
        let transaction = self.slot.begin_durable()?;
        let mut applied =
            batch::apply(&transaction, &self.names, self.sequence, waiting.iter().map(|(request, _)| request))?;
        if applied.writes() {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        self.sequence = applied.sequence;
        let verdicts = std::mem::take(&mut applied.verdicts);
        applied.committed();
        Ok(verdicts)
    }

    /// After a failure the database refuses to work until it was opened again. What is in the file decides what is known afterwards: the
    /// failed batch may be there whole.
    fn recover(&mut self, reason: &str) {
        self.slot.vacate(reason);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.open_again()))
            .unwrap_or_else(|panic| Err(Fault::panic("opening", &*panic)));
        if let Err(fault) = outcome {
            error!(%fault, reason, "the store could not be opened again; trying with the next commit");
            self.slot.vacate(&fault.to_string());
        }
        self.failed = Some((Instant::now() + self.pause, reason.into()));
    }

    fn open_again(&mut self) -> Result<(), Fault> {
        let database = self.source.open().map_err(|error| Fault::Io(error.to_string()))?;
        self.sequence = tables::load(&database).map_err(|error| match error {
            FormatError::Fault(fault) => fault,
            FormatError::Foreign | FormatError::Newer(_) | FormatError::Unknown(_) => {
                Fault::Damaged("the file was replaced by another one".to_owned())
            }
        })?;
        self.names.load(&redb::ReadableDatabase::begin_read(&database)?)?;
        self.slot.fill(database);
        Ok(())
    }
}

fn refuse(waiting: &mut Vec<Waiting>, error: &StoreError) {
    for (_, answer) in waiting.drain(..) {
        let _ = answer.send(Err(CommitError::Store(error.clone())));
    }
}
