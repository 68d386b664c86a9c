//! Devices on the hubs of this store: the [`HubStore`] port. Each look-up is a short read transaction of its own.

use std::fmt::Display;

use firsthop_protocol::{DeviceId, HubName, RegistrationId};
use redb::{ReadOnlyTable, ReadTransaction};

use super::change::{Change, HubRequest};
use super::fault::Fault;
use super::listing::MAX_PAGE;
use super::locate::{decode, locate};
use super::redb::RedbStore;
use super::row::{self, HubDeviceV1, IdentityV1, RowError};
use super::tables::{self, Messages};
use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity, QueuedMessage};
use crate::domain::ports::{HubStore, HubWrite, HubWriteError, StoreError, StoreFuture};
use crate::domain::twin::Twin;

impl HubStore for RedbStore {
    fn hub_device(&self, hub: &HubName, device: &DeviceId) -> Result<Option<HubDevice>, StoreError> {
        self.on_its_hub(hub, device, |transaction, number, row| self.device_of(number, &row, transaction))
    }

    fn hub_device_of(&self, hub: &HubName, registration: &RegistrationId) -> Result<Option<HubDevice>, StoreError> {
        let Some(hub) = self.names().hubs.number(hub) else { return Ok(None) };
        self.read(|transaction| {
            let is_it = |row: &HubDeviceV1<'_>| row.hub == hub && row.identity.registration_id == registration.as_str();
            let Some((number, row)) = self.locate(transaction, registration.as_str(), is_it)? else { return Ok(None) };
            self.device_of(number, &decode(number, &row)?, transaction).map(Some)
        })
    }

    /// Where hubs of this store have different devices under this id, none is the one.
    fn hub_of(&self, device: &DeviceId) -> Result<Option<HubName>, StoreError> {
        self.read(|transaction| {
            let mut hubs = Vec::new();
            self.locate(transaction, device.as_str(), |row| {
                if row.identity.device_id() == device.as_str() && row.standing.is_active() {
                    hubs.push(row.hub);
                }
                false
            })?;
            match hubs[..] {
                [hub] => self.names().hubs.name(hub, transaction).map(Some),
                _ => Ok(None),
            }
        })
    }

    fn twin(&self, hub: &HubName, device: &DeviceId) -> Result<Option<Twin>, StoreError> {
        self.present(hub, device, twin)
    }

    fn device_state(&self, hub: &HubName, device: &DeviceId) -> Result<Option<DeviceState>, StoreError> {
        self.present(hub, device, |transaction, number, row| {
            let queue = messages(transaction, number, COMMANDS, None, usize::MAX, row::decode_message)?;
            let events = messages(transaction, number, EVENTS, None, usize::MAX, row::decode_event)?;
            Ok(DeviceState {
                twin: twin(transaction, number, row)?,
                queue: queue.into_iter().map(|(_, message)| message).collect(),
                events: events.into_iter().map(|(_, event)| event).collect(),
            })
        })
    }

    fn queue(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, QueuedMessage)>, StoreError> {
        let found = self.present(hub, device, |transaction, number, _| {
            messages(transaction, number, COMMANDS, after, limit, row::decode_message)
        });
        Ok(found?.unwrap_or_default())
    }

    fn events(
        &self,
        hub: &HubName,
        device: &DeviceId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, StoreError> {
        let found = self.present(hub, device, |transaction, number, _| {
            messages(transaction, number, EVENTS, after, limit, row::decode_event)
        });
        Ok(found?.unwrap_or_default())
    }

    fn hub_device_count(&self, hub: &HubName) -> Result<u64, StoreError> {
        let Some(hub) = self.names().hubs.number(hub) else { return Ok(0) };
        self.read(|transaction| {
            let counts = transaction.open_table(tables::COUNTS)?;
            Ok(counts.get((tables::COUNT_HUB_DEVICES, hub))?.map_or(0, |count| count.value()))
        })
    }

    fn hub_devices(
        &self,
        hub: &HubName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, HubDevice)>, StoreError> {
        let Some(hub) = self.names().hubs.number(hub) else { return Ok(Vec::new()) };
        let from = after.map_or(0, |after| after.saturating_add(1));
        self.read(|transaction| {
            let index = transaction.open_table(tables::DEVICES_BY_HUB)?;
            let rows = transaction.open_table(tables::HUB_DEVICES)?;
            let page = index.range((hub, from)..=(hub, u64::MAX))?.take(limit.clamp(1, MAX_PAGE));
            page.map(|entry| {
                let (_, number) = entry?.0.value();
                let row = rows.get(number)?.ok_or_else(|| missing_device(number))?;
                let device = self.device_of(number, &decode(number, row.value())?, transaction)?;
                Ok((number, device))
            })
            .collect()
        })
    }

    fn write(&self, hub: &HubName, device: &DeviceId, write: HubWrite) -> StoreFuture<'_, u64, HubWriteError> {
        let request = HubRequest::new(hub, device, write);
        Box::pin(async move { self.ask(request, Change::Hub).await })
    }
}

/// A table of messages and its name.
type Named = (Messages, &'static str);
const COMMANDS: Named = (tables::COMMANDS, "command_queues");
const EVENTS: Named = (tables::EVENTS, "event_storages");

impl RedbStore {
    /// Reads of a device, or of the trace of it, on its hub.
    fn on_its_hub<T>(
        &self,
        hub: &HubName,
        device: &DeviceId,
        read: impl FnOnce(&ReadTransaction, u64, HubDeviceV1<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, StoreError> {
        let Some(hub) = self.names().hubs.number(hub) else { return Ok(None) };
        self.read(|transaction| {
            let is_it = |row: &HubDeviceV1<'_>| row.hub == hub && row.identity.device_id() == device.as_str();
            let Some((number, row)) = self.locate(transaction, device.as_str(), is_it)? else { return Ok(None) };
            read(transaction, number, decode(number, &row)?).map(Some)
        })
    }

    /// Reads of a device that is there.
    fn present<T>(
        &self,
        hub: &HubName,
        device: &DeviceId,
        read: impl FnOnce(&ReadTransaction, u64, &HubDeviceV1<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.on_its_hub(hub, device, |transaction, number, row| match row.standing.left() {
            Some(_) => Ok(None),
            None => read(transaction, number, &row).map(Some),
        });
        Ok(found?.flatten())
    }

    /// The first row under that id, of a device or of a registration, that is accepted.
    fn locate(
        &self,
        transaction: &ReadTransaction,
        id: &str,
        mut accept: impl FnMut(&HubDeviceV1<'_>) -> bool,
    ) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let ids = transaction.open_table(tables::IDS)?;
        let aliases = transaction.open_table(tables::ALIASES)?;
        let devices = transaction.open_table(tables::HUB_DEVICES)?;
        let found = locate(&ids, &aliases, &devices, id, |_, row| accept(row))?;
        Ok(found.map(|(number, row)| (number, row.value().to_vec())))
    }

    pub(super) fn device_of(
        &self,
        number: u64,
        row: &HubDeviceV1<'_>,
        transaction: &ReadTransaction,
    ) -> Result<HubDevice, Fault> {
        let identity = self.identity(&row.identity, "hub_devices", number, transaction)?;
        row.device(identity).map_err(|error| Fault::row("hub_devices", number, &error))
    }

    /// The identity in a row of that table, with its certificates.
    pub(super) fn identity(
        &self,
        row: &IdentityV1<'_>,
        table: &'static str,
        key: impl Display,
        transaction: &ReadTransaction,
    ) -> Result<Identity, Fault> {
        let identity = row.identity(|sha256| Ok(self.names().certificates.certificate(sha256, transaction)?));
        identity.map_err(|error| match error {
            Unreadable::Row(error) => Fault::row(table, key, &error),
            Unreadable::Certificate(fault) => fault,
        })
    }
}

/// Why an identity cannot be read.
enum Unreadable {
    Row(RowError),
    Certificate(Fault),
}

impl From<RowError> for Unreadable {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Certificate(fault)
    }
}

fn twin(transaction: &ReadTransaction, number: u64, row: &HubDeviceV1<'_>) -> Result<Twin, Fault> {
    let twins = transaction.open_table(tables::TWINS)?;
    match (twins.get(number)?, row.fresh_twin) {
        (Some(row), _) => row::decode_twin(row.value()).map_err(|error| Fault::row("twins", number, &error)),
        (None, Some(made)) => Ok(row::fresh_twin(made)),
        (None, None) => Err(Fault::Damaged(format!("table twins, key {number}: the row is missing"))),
    }
}

fn messages<T>(
    transaction: &ReadTransaction,
    device: u64,
    (table, name): Named,
    after: Option<u64>,
    limit: usize,
    decode: fn(&[u8]) -> Result<T, RowError>,
) -> Result<Vec<(u64, T)>, Fault> {
    let table: ReadOnlyTable<(u64, u64), &[u8]> = transaction.open_table(table)?;
    let from = after.map_or(0, |after| after.saturating_add(1));
    let rows = table.range((device, from)..=(device, u64::MAX))?.take(limit);
    rows.map(|entry| {
        let (key, row) = entry?;
        let (_, number) = key.value();
        let message = decode(row.value());
        Ok((number, message.map_err(|error| Fault::row(name, format_args!("{device}, {number}"), &error))?))
    })
    .collect()
}

pub(super) fn missing_device(number: u64) -> Fault {
    Fault::Damaged(format!("table hub_devices, key {number}: the row is missing"))
}
