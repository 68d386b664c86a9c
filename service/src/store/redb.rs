//! The store in a redb file: look-ups on the caller's thread, commits through the writer's queue.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use firsthop_protocol::RegistrationId;
use redb::ReadTransaction;
use tokio::sync::{mpsc, oneshot};

use super::batch::Request;
use super::config::Config;
use super::fault::Fault;
use super::names::Names;
use super::open::{self, FileSource, OpenError, Source};
use super::row::{self, NamedRegistration, OWN_ENROLLMENT, RegistrationV1};
use super::slot::{Reading, Slot};
use super::writer::{Job, Writer};
use super::{missing_row, tables};
use crate::domain::device::Device;
use crate::domain::ports::{CommitError, Committing, Decision, Store, StoreError};
use crate::domain::registration::Registered;

/// After a failed commit, commits are refused for so long before the next is tried; reads go on.
const PAUSE: Duration = Duration::from_millis(500);

/// Registrations and the device registry in one file.
pub struct RedbStore {
    slot: Arc<Slot>,
    names: Arc<Names>,
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RedbStore {
    /// Opens the store in that file, which is made when there is none.
    pub fn open(path: impl Into<PathBuf>, config: &Config) -> Result<Self, OpenError> {
        let source = FileSource { path: path.into(), cache_size: config.cache_size.as_usize() };
        if !source.path.is_dir() {
            source.prepare()?;
        }
        Self::start(Box::new(source), config, PAUSE)
    }

    /// Opens the store that a source has.
    pub(super) fn start(source: Box<dyn Source>, config: &Config, pause: Duration) -> Result<Self, OpenError> {
        let path = source.path().to_owned();
        let database = source.open()?;
        let sequence = open::load(&path, &database)?;
        let names = Arc::new(Names::default());
        let transaction = redb::ReadableDatabase::begin_read(&database)
            .map_err(|error| open::fault_error(path.clone(), error.into()))?;
        names.load(&transaction).map_err(|fault| open::fault_error(path, fault))?;
        drop(transaction);
        let slot = Arc::new(Slot::new(database));
        let max_batch = usize::from(config.max_batch.get());
        let writer =
            Writer { slot: slot.clone(), names: names.clone(), source, sequence, max_batch, pause, failed: None };
        let (jobs, thread) = writer.start(config).map_err(OpenError::Thread)?;
        Ok(Self { slot, names, jobs: Some(jobs), thread: Mutex::new(Some(thread)) })
    }

    /// Commits what waits, refuses what comes later, and closes the file. Returns when that is done.
    pub async fn close(&self) {
        if let Some(jobs) = &self.jobs {
            let (done, closed) = oneshot::channel();
            // An error says that it is closed, or will be by who closes it now.
            if jobs.send(Job::Close(done)).await.is_ok() {
                let _ = closed.await;
            }
        }
        self.join();
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer ended by a panic");
        }
    }

    /// Reads in a transaction of its own, which must be short: pages that it sees are not used again meanwhile.
    pub(super) fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        let Reading { transaction, generation } = self.slot.begin_read().map_err(|not| {
            if matches!(not.error, StoreError::Unavailable(_)) {
                self.report(not.generation);
            }
            not.error
        })?;
        read(&transaction).map_err(|fault| {
            if matches!(fault, Fault::Io(_)) {
                self.report(generation);
            }
            StoreError::from(&fault)
        })
    }

    /// Has the database opened again, unless somebody else has seen to that.
    fn report(&self, generation: u64) {
        if let Some(jobs) = &self.jobs
            && self.slot.report(generation)
            && jobs.try_send(Job::Reopen(generation)).is_err()
        {
            self.slot.take_report(generation);
        }
    }

    /// The registration in a row.
    pub(super) fn registered(
        &self,
        number: u64,
        row: &[u8],
        transaction: &ReadTransaction,
    ) -> Result<Registered, Fault> {
        let damaged = |error| Fault::row("registrations", number, &error);
        let row = RegistrationV1::decode(row).map_err(damaged)?;
        let enrollment = match row.enrollment {
            OWN_ENROLLMENT => None,
            named => Some(self.names.enrollments.name(named, transaction)?),
        };
        let hub = row.hub().map(|hub| self.names.hubs.name(hub, transaction)).transpose()?;
        NamedRegistration { row, enrollment, hub }.try_into().map_err(damaged)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }
}

impl Store for RedbStore {
    fn registration(&self, id: &RegistrationId) -> Result<Option<Registered>, StoreError> {
        self.read(|transaction| {
            let Some(number) = transaction.open_table(tables::IDS)?.get(id.as_str())? else { return Ok(None) };
            let number = number.value();
            let rows = transaction.open_table(tables::REGISTRATIONS)?;
            let row = rows.get(number)?.ok_or_else(|| missing_row(number))?;
            self.registered(number, row.value(), transaction).map(Some)
        })
    }

    fn device(&self, id: &RegistrationId) -> Result<Option<Device>, StoreError> {
        self.read(|transaction| {
            let Some(number) = transaction.open_table(tables::IDS)?.get(id.as_str())? else { return Ok(None) };
            let number = number.value();
            let rows = transaction.open_table(tables::DEVICES)?;
            let Some(row) = rows.get(number)? else { return Ok(None) };
            row::decode_device(row.value()).map(Some).map_err(|error| Fault::row("devices", number, &error))
        })
    }

    fn commit(&self, decision: Decision) -> Committing<'_> {
        Box::pin(async move {
            let request = Request::new(decision).map_err(|fault| StoreError::from(&fault))?;
            let (answer, verdict) = oneshot::channel();
            let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
            jobs.send(Job::Commit(request, answer)).await.map_err(|_| StoreError::Closed)?;
            verdict.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
        })
    }
}

impl Drop for RedbStore {
    /// Commits what waits and closes the file.
    fn drop(&mut self) {
        self.jobs = None;
        self.join();
    }
}
