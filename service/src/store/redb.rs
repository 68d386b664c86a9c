//! The store in a redb file: look-ups on the caller's thread, commits through the writer's queue.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{HubName, RegistrationId};
use redb::{ReadTransaction, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::change::{Asked, Change, JournalRequest, RegistrationRequest, SettingsRequest};
use super::config::Config;
use super::fault::Fault;
use super::listing::{Cursor, Selection};
use super::names::Names;
use super::open::{self, FileSource, OpenError, Source};
use super::row::{self, NamedRegistration, OWN_ENROLLMENT, RegistrationV2, RowError};
use super::slot::{Reading, Slot};
use super::tables;
use super::writer::{Job, Writer};
use crate::domain::device::Device;
use crate::domain::ports::{
    CommitError, Committing, Decision, HubSettings, JournalWrite, Store, StoreError, StoreFuture,
};
use crate::domain::registration::Registered;
use crate::domain::transfer::Transfer;

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

    /// Has the writer make a change, and waits until it is durable.
    pub(super) async fn ask<R, T, E: From<StoreError>>(
        &self,
        request: Result<R, Fault>,
        change: impl FnOnce(Asked<R, T, E>) -> Change,
    ) -> Result<T, E> {
        let (asked, verdict) = Asked::new(request.map_err(|fault| StoreError::from(&fault))?);
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Job::Change(change(asked))).await.map_err(|_| StoreError::Closed)?;
        verdict.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// The registration in a row of the table of registrations.
    pub(super) fn registered(
        &self,
        number: u64,
        row: &[u8],
        transaction: &ReadTransaction,
    ) -> Result<Registered, Fault> {
        let damaged = |error| Fault::row("registrations", number, &error);
        let row = RegistrationV2::decode(row).map_err(damaged)?;
        self.named(row, transaction, damaged)
    }

    /// The registration in a row, with the names that its numbers stand for.
    pub(super) fn named(
        &self,
        row: RegistrationV2<'_>,
        transaction: &ReadTransaction,
        damaged: impl FnOnce(RowError) -> Fault,
    ) -> Result<Registered, Fault> {
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
            // An id without a row is that of a device on a hub whose registration is kept elsewhere.
            let Some(row) = rows.get(number)? else { return Ok(None) };
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
            self.ask(RegistrationRequest::new(decision), |asked| Change::Registration(Box::new(asked))).await
        })
    }

    fn transfer(&self, id: &RegistrationId) -> Result<Option<Transfer>, StoreError> {
        self.read(|transaction| {
            let transfers = transaction.open_table(tables::TRANSFERS)?;
            let Some(row) = transfers.get(id.as_str())? else { return Ok(None) };
            self.under_way(id.as_str(), row.value(), transaction).map(Some)
        })
    }

    fn transfers(&self, after: Option<&RegistrationId>, limit: usize) -> Result<Vec<Transfer>, StoreError> {
        self.read(|transaction| self.all_under_way(after, limit, transaction))
    }

    fn journal(&self, write: JournalWrite) -> StoreFuture<'_, (), CommitError> {
        Box::pin(async move { self.ask(JournalRequest::new(write), Change::Journal).await })
    }

    fn on_hub(
        &self,
        hub: &HubName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        self.ids(&Selection::Hub(hub.clone()), after.map(Cursor), limit)
    }

    fn under_enrollment(
        &self,
        enrollment: &EnrollmentName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        self.ids(&Selection::Enrollment(enrollment.clone()), after.map(Cursor), limit)
    }

    fn hub_counts(&self) -> Result<Vec<(HubName, u64)>, StoreError> {
        Ok(self.counts()?.hubs.into_iter().collect())
    }

    fn hub_settings(&self) -> Result<Vec<(HubName, HubSettings)>, StoreError> {
        self.read(|transaction| {
            let entries = transaction.open_table(tables::HUB_SETTINGS)?;
            let settings = entries.iter()?.map(|entry| {
                let (hub, row) = entry?;
                let hub = hub.value();
                let damaged = |error| Fault::row("hub_settings", hub, &error);
                Ok((row::hub_name(hub).map_err(damaged)?, row::decode_hub_settings(row.value()).map_err(damaged)?))
            });
            settings.collect()
        })
    }

    fn set_hub_settings(&self, hub: &HubName, settings: HubSettings) -> StoreFuture<'_, (), StoreError> {
        let request = SettingsRequest::new(hub, &settings);
        Box::pin(async move { self.ask(request, Change::Settings).await })
    }
}

impl Drop for RedbStore {
    /// Commits what waits and closes the file.
    fn drop(&mut self) {
        self.jobs = None;
        self.join();
    }
}
