//! A store in memory with the semantics of the port: one record for each device, which names its hub.

mod row;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId, Timestamp};
use tokio::sync::Semaphore;

use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity, QueuedMessage, Standing};
use crate::domain::ports::{HubStore, HubWrite, HubWriteError, StoreError, StoreFuture};
use crate::domain::twin::Twin;
use row::Row;

/// A store in memory, which waits and fails when told to.
#[derive(Default)]
pub(crate) struct FakeStore {
    rows: Mutex<Rows>,
    /// A write waits for a permit, when there is a gate.
    gate: Option<Semaphore>,
}

#[derive(Default)]
struct Rows {
    devices: BTreeMap<DeviceId, Row>,
    last: u64,
    unavailable: bool,
    writes: usize,
}

impl FakeStore {
    pub(crate) fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::default() }
    }

    /// Lets so many writes through the gate.
    pub(crate) fn let_through(&self, writes: usize) {
        self.gate.as_ref().unwrap().add_permits(writes);
    }

    pub(crate) fn set_unavailable(&self, unavailable: bool) {
        self.lock().unavailable = unavailable;
    }

    /// Writes that were made.
    pub(crate) fn writes(&self) -> usize {
        self.lock().writes
    }

    /// As the decision of a move between two hubs of this store does it.
    pub(crate) fn carry(&self, device: &DeviceId, to: &HubName) {
        let mut rows = self.lock();
        let revision = rows.number();
        let row = rows.devices.get_mut(device).unwrap();
        row.hub = to.clone();
        row.device = HubDevice { standing: Standing::Active, revision, ..row.device.clone() };
    }

    /// As the decision to give a device its initial state again does it.
    pub(crate) fn reset(&self, device: &DeviceId, state: DeviceState) {
        let mut rows = self.lock();
        let revision = rows.number();
        let row = rows.devices.get_mut(device).unwrap();
        (row.twin, row.device.revision) = (state.twin, revision);
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    fn read<T>(&self, hub: &HubName, device: &DeviceId, read: impl FnOnce(&Row) -> T) -> Result<Option<T>, StoreError> {
        let rows = self.lock();
        rows.check()?;
        Ok(rows.devices.get(device).filter(|row| row.hub == *hub).map(read))
    }
}

impl HubStore for FakeStore {
    fn hub_device(&self, hub: &HubName, device: &DeviceId) -> Result<Option<HubDevice>, StoreError> {
        self.read(hub, device, |row| row.device.clone())
    }

    fn hub_device_of(&self, hub: &HubName, registration: &RegistrationId) -> Result<Option<HubDevice>, StoreError> {
        let rows = self.lock();
        rows.check()?;
        let mut devices = rows.devices.values();
        let found = devices.find(|row| row.hub == *hub && row.device.identity.registration_id == *registration);
        Ok(found.map(|row| row.device.clone()))
    }

    fn hub_of(&self, device: &DeviceId) -> Result<Option<HubName>, StoreError> {
        let rows = self.lock();
        rows.check()?;
        Ok(rows.devices.get(device).filter(|row| row.device.standing.is_active()).map(|row| row.hub.clone()))
    }

    fn twin(&self, hub: &HubName, device: &DeviceId) -> Result<Option<Twin>, StoreError> {
        self.read(hub, device, |row| row.twin.clone())
    }

    fn device_state(&self, hub: &HubName, device: &DeviceId) -> Result<Option<DeviceState>, StoreError> {
        self.read(hub, device, |row| DeviceState {
            twin: row.twin.clone(),
            queue: row.queue.values().cloned().collect(),
            events: row.events.values().cloned().collect(),
        })
    }

    fn queue(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, QueuedMessage)>, StoreError> {
        self.read(hub, device, |row| page(&row.queue, after, limit)).map(Option::unwrap_or_default)
    }

    fn events(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError> {
        self.read(hub, device, |row| page(&row.events, after, limit)).map(Option::unwrap_or_default)
    }

    fn hub_device_count(&self, hub: &HubName) -> Result<u64, StoreError> {
        let here = |row: &&Row| row.hub == *hub && !matches!(row.device.standing, Standing::Moved { .. });
        Ok(self.lock().devices.values().filter(here).count() as u64)
    }

    fn hub_devices(
        &self,
        hub: &HubName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, HubDevice)>, StoreError> {
        let rows = self.lock();
        let numbered = rows.devices.values().enumerate().map(|(at, row)| (at as u64, row));
        let wanted = numbered.filter(|(at, row)| row.hub == *hub && after.is_none_or(|after| *at > after));
        Ok(wanted.take(limit).map(|(at, row)| (at, row.device.clone())).collect())
    }

    fn write(&self, hub: &HubName, device: &DeviceId, write: HubWrite) -> StoreFuture<'_, u64, HubWriteError> {
        let (hub, device) = (hub.clone(), device.clone());
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let mut rows = self.lock();
            rows.check()?;
            let number = rows.write(&hub, &device, write)?;
            rows.writes += 1;
            Ok(number)
        })
    }
}

impl Rows {
    fn check(&self) -> Result<(), StoreError> {
        if self.unavailable { Err(StoreError::Unavailable("the disk is full".into())) } else { Ok(()) }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn write(&mut self, hub: &HubName, device: &DeviceId, write: HubWrite) -> Result<u64, HubWriteError> {
        let number = self.number();
        if let HubWrite::Provision { operation, identity, state, at } = write {
            return self.provision(number, hub, operation, identity, *state, at);
        }
        let registration = match &write {
            HubWrite::Identity { identity, .. } => Some(identity.registration_id.clone()),
            HubWrite::Fence { registration, .. }
            | HubWrite::Release { registration, .. }
            | HubWrite::Remove { registration, .. } => Some(registration.clone()),
            _ => None,
        };
        let is_it = |(name, row): &(&DeviceId, &mut Row)| {
            row.hub == *hub
                && match &registration {
                    Some(registration) => row.device.identity.registration_id == *registration,
                    None => *name == device,
                }
        };
        let Some((_, row)) = self.devices.iter_mut().find(is_it) else {
            let removes = matches!(write, HubWrite::Remove { .. });
            return if removes { Ok(0) } else { Err(HubWriteError::NotActive) };
        };
        match write {
            HubWrite::Identity { operation, identity } => row.identify(operation, identity)?,
            HubWrite::Fence { operation, .. } => row.fence(operation)?,
            HubWrite::Release { operation, .. } => row.release(operation)?,
            HubWrite::Remove { operation, to, at, .. } => row.remove(operation, to, at)?,
            of_device => return row.change(number, of_device).map(|()| number),
        }
        row.device.revision = number;
        Ok(number)
    }

    fn provision(
        &mut self,
        number: u64,
        hub: &HubName,
        operation: OperationId,
        identity: Identity,
        state: DeviceState,
        at: Timestamp,
    ) -> Result<u64, HubWriteError> {
        if let Some(row) = self.devices.get(&identity.device_id).filter(|row| row.hub == *hub) {
            let holder = &row.device.identity.registration_id;
            match row.device.standing {
                Standing::Active | Standing::Fenced(_) if *holder != identity.registration_id => {
                    return Err(HubWriteError::Taken(holder.clone()));
                }
                Standing::Held(by) if by == operation => return Ok(row.device.revision),
                Standing::Active if row.last == Some(operation) => return Ok(row.device.revision),
                Standing::Fenced(by) => return Err(HubWriteError::Busy(by)),
                _ => {}
            }
        }
        let mut row = Row {
            hub: hub.clone(),
            device: HubDevice {
                identity,
                standing: Standing::Held(operation),
                subscriptions: Vec::new(),
                created: at,
                revision: number,
            },
            last: None,
            twin: state.twin,
            queue: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        for message in state.queue {
            row.queue.insert(self.number(), message);
        }
        for event in state.events {
            row.events.insert(self.number(), event);
        }
        self.devices.insert(row.device.identity.device_id.clone(), row);
        Ok(number)
    }
}

fn page<T: Clone>(messages: &BTreeMap<u64, T>, after: Option<u64>, limit: usize) -> Vec<(u64, T)> {
    let wanted = messages.iter().filter(|(number, _)| after.is_none_or(|after| **number > after));
    wanted.take(limit).map(|(number, message)| (*number, message.clone())).collect()
}
