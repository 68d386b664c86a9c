//! The one thread that writes. It takes all changes that wait, commits them at once, and answers when they are durable.
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

use super::batch;
use super::change::Change;
use super::config::Config;
use super::fault::Fault;
use super::format::{self, FormatError};
use super::names::Names;
use super::open::Source;
use super::slot::Slot;
use super::tables::Sequence;
use crate::domain::ports::StoreError;

/// A commit costs the same for one change and nearly the same for many, so a busy writer waits so long, at most, for as many as it has
/// lately had at once. First registrations over fresh connections became a tenth cheaper by it. Who is alone, or comes as one of those that
/// always come together, does not wait.
const LINGER: Duration = Duration::from_millis(2);
/// How often it looks whether they are there.
const SLICE: Duration = Duration::from_micros(300);

/// What the writer is asked to do.
pub(super) enum Job {
    Change(Change),
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
        let mut expected = 0;
        while queue.blocking_recv_many(&mut jobs, self.max_batch) > 0 {
            let (first, latest) = (jobs.len(), Instant::now() + LINGER);
            while jobs.len() < expected && Instant::now() < latest {
                std::thread::sleep(SLICE);
                while jobs.len() < self.max_batch
                    && let Ok(job) = queue.try_recv()
                {
                    jobs.push(job);
                }
            }
            // Falls slowly while others come, and at once when nobody came: who is left after many does not wait for those again.
            let nobody_came = first < expected && jobs.len() == first;
            expected = if nobody_came { first } else { jobs.len().max(expected * 7 / 8) };
            for job in jobs.drain(..) {
                match job {
                    Job::Change(change) => waiting.push(change),
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

    fn serve(&mut self, waiting: &mut Vec<Change>) {
        if let Some(reason) = self.pausing() {
            return refuse(waiting, &StoreError::Unavailable(reason));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(waiting)))
            .unwrap_or_else(|panic| Err(Fault::panic("committing", &*panic)));
        match outcome {
            Ok(()) => {
                if self.failed.take().is_some() {
                    info!("the store writes again");
                }
                waiting.drain(..).for_each(Change::answer);
            }
            Err(fault) => {
                error!(%fault, changes = waiting.len(), "the store could not commit");
                self.recover(&fault.to_string());
                refuse(waiting, &StoreError::from(&fault));
            }
        }
    }

    fn commit(&mut self, waiting: &mut [Change]) -> Result<(), Fault> {
        if self.slot.is_away() {
            self.open_again()?;
        }
        let transaction = self.slot.begin_durable()?;
        let applied = batch::apply(&transaction, &self.names, self.sequence, waiting)?;
        if applied.writes {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        self.sequence = applied.sequence;
        applied.committed();
        Ok(())
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
        self.sequence = format::load(&database).map_err(|error| match error {
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

fn refuse(waiting: &mut Vec<Change>, error: &StoreError) {
    waiting.drain(..).for_each(|change| change.refuse(error.clone()));
}
