//! A store in memory that counts what is written, fails when told to, and stops at a step as a crash would.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{ETag, HubName, RegistrationId};
use tokio::sync::{Notify, Semaphore};

use crate::domain::device::Device;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::{
    CommitError, Committing, Decision, HubPlacement, HubSettings, JournalWrite, Store, StoreError, StoreFuture,
};
use crate::domain::registration::{Registered, State};
use crate::domain::transfer::{Step, Transfer};

#[derive(Default)]
pub struct FakeStore {
    rows: Mutex<Rows>,
    /// A commit waits for a permit, when there is a gate.
    pub gate: Option<Semaphore>,
    /// Tells that a write stopped at [`Rows::halt`].
    pub halted: Notify,
}

pub type Other = Box<dyn FnOnce(&mut Rows) + Send>;

/// Where the process is to end: just before or just after the write of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halt {
    pub point: &'static str,
    pub before: bool,
}

#[derive(Default)]
pub struct Rows {
    pub registered: HashMap<RegistrationId, Registered>,
    pub devices: HashMap<RegistrationId, Device>,
    pub transfers: BTreeMap<RegistrationId, Transfer>,
    pub settings: BTreeMap<HubName, HubSettings>,
    /// Devices on embedded hubs.
    pub placed: HashMap<RegistrationId, (HubName, DeviceState)>,
    /// Commits that were asked for, and those that succeeded.
    pub asked: usize,
    pub commits: usize,
    pub unavailable: bool,
    /// What happens just before the next commits: another one comes first.
    pub others: Vec<Other>,
    pub halt: Option<Halt>,
}

impl FakeStore {
    pub fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    pub fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::default() }
    }

    pub fn halt_at(&self, point: &'static str, before: bool) {
        self.rows().halt = Some(Halt { point, before });
    }

    /// Never returns where the process is to end.
    async fn pass(&self, point: &str, before: bool) {
        let ends = self.rows().halt.is_some_and(|halt| halt.point == point && halt.before == before);
        if ends {
            self.halted.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

fn point(write: Option<&JournalWrite>) -> &'static str {
    match write {
        Some(JournalWrite::Put(transfer)) => transfer.step.name(),
        Some(JournalWrite::Delete(_)) => "removed",
        None => "commit",
    }
}

impl Rows {
    pub fn write(&mut self, decision: Decision) -> ETag {
        self.commits += 1;
        let etag = ETag::new(self.commits as u64);
        let id = decision.registration.id.clone();
        if let Some(device) = decision.device {
            self.devices.insert(id.clone(), device);
        }
        match decision.hub {
            Some(HubPlacement::Assign { hub, state, .. }) => drop(self.placed.insert(id.clone(), (hub, state))),
            Some(HubPlacement::Carry { hub, otherwise, .. }) => {
                let state = self.placed.remove(&id).map_or(otherwise, |(_, state)| state);
                self.placed.insert(id.clone(), (hub, state));
            }
            Some(HubPlacement::Leave { .. }) => drop(self.placed.remove(&id)),
            None => {}
        }
        if let Some(write) = decision.journal {
            self.journal(write);
        }
        self.registered.insert(id, Registered { registration: decision.registration, etag });
        etag
    }

    fn journal(&mut self, write: JournalWrite) {
        match write {
            JournalWrite::Put(transfer) => drop(self.transfers.insert(transfer.registration_id.clone(), *transfer)),
            JournalWrite::Delete(id) => drop(self.transfers.remove(&id)),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.unavailable { Err(StoreError::Unavailable("the disk is full".into())) } else { Ok(()) }
    }

    fn listed(
        &self,
        wanted: impl Fn(&Registered) -> bool,
        after: Option<u64>,
        limit: usize,
    ) -> Vec<(u64, RegistrationId)> {
        let mut ids: Vec<&RegistrationId> = self.registered.keys().collect();
        ids.sort();
        let numbered = ids.into_iter().enumerate().map(|(number, id)| (number as u64, id));
        let later = numbered.filter(|(number, _)| after.is_none_or(|after| *number > after));
        let found = later.filter(|(_, id)| wanted(&self.registered[*id]));
        found.take(limit).map(|(number, id)| (number, id.clone())).collect()
    }
}

impl Store for FakeStore {
    fn registration(&self, id: &RegistrationId) -> Result<Option<Registered>, StoreError> {
        let rows = self.rows();
        rows.check().map(|()| rows.registered.get(id).cloned())
    }

    fn device(&self, id: &RegistrationId) -> Result<Option<Device>, StoreError> {
        let rows = self.rows();
        rows.check().map(|()| rows.devices.get(id).cloned())
    }

    fn commit(&self, decision: Decision) -> Committing<'_> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let point = point(decision.journal.as_ref());
            self.pass(point, true).await;
            let written = {
                let mut rows = self.rows();
                rows.asked += 1;
                rows.check()?;
                if let Some(other) = rows.others.pop() {
                    other(&mut rows);
                }
                let current = rows.registered.get(&decision.registration.id).map(|stored| stored.etag);
                if current != decision.expected {
                    return Err(CommitError::Conflict { current });
                }
                rows.write(decision)
            };
            self.pass(point, false).await;
            Ok(written)
        })
    }

    fn transfer(&self, id: &RegistrationId) -> Result<Option<Transfer>, StoreError> {
        Ok(self.rows().transfers.get(id).cloned())
    }

    fn transfers(&self, after: Option<&RegistrationId>, limit: usize) -> Result<Vec<Transfer>, StoreError> {
        let rows = self.rows();
        let found = rows.transfers.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(found.take(limit).map(|(_, transfer)| transfer.clone()).collect())
    }

    fn journal(&self, write: JournalWrite) -> StoreFuture<'_, (), CommitError> {
        Box::pin(async move {
            let point = point(Some(&write));
            self.pass(point, true).await;
            {
                let mut rows = self.rows();
                rows.check()?;
                if let JournalWrite::Put(transfer) = &write
                    && rows.transfers.get(&transfer.registration_id).is_some_and(|other| other.id != transfer.id)
                {
                    return Err(CommitError::Conflict { current: None });
                }
                rows.journal(write);
            }
            self.pass(point, false).await;
            Ok(())
        })
    }

    fn on_hub(
        &self,
        hub: &HubName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        let on = |stored: &Registered| matches!(&stored.registration.state, State::Assigned { hub: current, .. } if current == hub);
        Ok(self.rows().listed(on, after, limit))
    }

    fn under_enrollment(
        &self,
        enrollment: &EnrollmentName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        Ok(self.rows().listed(|stored| stored.registration.enrollment == *enrollment, after, limit))
    }

    fn hub_counts(&self) -> Result<Vec<(HubName, u64)>, StoreError> {
        let mut counts = BTreeMap::<HubName, u64>::new();
        for stored in self.rows().registered.values() {
            if let State::Assigned { hub, .. } = &stored.registration.state {
                *counts.entry(hub.clone()).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }

    fn hub_settings(&self) -> Result<Vec<(HubName, HubSettings)>, StoreError> {
        Ok(self.rows().settings.iter().map(|(hub, settings)| (hub.clone(), settings.clone())).collect())
    }

    fn set_hub_settings(&self, hub: &HubName, settings: HubSettings) -> StoreFuture<'_, (), StoreError> {
        self.rows().settings.insert(hub.clone(), settings);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Every point at which a move may be interrupted.
pub fn points() -> impl Iterator<Item = Halt> {
    let steps = [Step::Planned, Step::Fenced, Step::Copied, Step::Committed, Step::Released].map(Step::name);
    let points = steps.into_iter().chain(["removed"]);
    points.flat_map(|point| [true, false].map(|before| Halt { point, before }))
}
