//! Changes of a device on its hub that need it active there. All give the number of what was appended, or the record's revision.

use redb::ReadableTable;

use super::Batch;
use super::messages::Kind;
use super::outcome::{Outcome, read, refused};
use super::records::Record;
use crate::domain::hub_device::Subscription;
use crate::domain::ports::HubWriteError;
use crate::store::change::{DeviceChange, HubChange, HubRequest};
use crate::store::fault::Fault;
use crate::store::row::{HubDeviceV1, delivered_once_more, packed, twin_version};

/// The version of a twin that has no row, as nothing was written to it.
const FRESH_VERSION: u64 = 1;

/// What the number of an event is that is not kept.
const NOT_KEPT: u64 = 0;

impl Batch<'_, '_> {
    pub(super) fn hub(&mut self, request: &HubRequest) -> Outcome<u64, HubWriteError> {
        let change = match &request.change {
            HubChange::Device(change) => change,
            HubChange::Port(operation, change) => return self.port(request, *operation.as_bytes(), change),
        };
        let found = read(self.find(self.hubs.known(&request.hub), &request.device))?;
        let Some(record) = found.filter(|record| record.row().standing.is_active()) else {
            return refused(HubWriteError::NotActive);
        };
        match change {
            DeviceChange::Twin { row, expected, revision } => self.twin(&record, row, *expected, *revision),
            DeviceChange::Subscriptions(subscriptions) => Ok(self.subscriptions(&record, subscriptions)?),
            DeviceChange::Enqueue(row) => self.enqueue(&record, row),
            DeviceChange::Delivered(numbers) => self.delivered(&record, numbers),
            DeviceChange::Dequeue(numbers) => {
                self.take(record.number, Kind::Command, numbers)?;
                Ok(record.row().revision)
            }
            DeviceChange::Event(row) => Ok(self.event(&record, row)?),
        }
    }

    fn twin(&mut self, record: &Record, row: &[u8], expected: u64, revision: u64) -> Outcome<u64, HubWriteError> {
        let version = self
            .twins
            .get(record.number)?
            .map(|row| twin_version(row.value()).map_err(|error| Fault::row("twins", record.number, &error)));
        if read(version.transpose())?.unwrap_or(FRESH_VERSION) != expected || record.row().revision != revision {
            return refused(HubWriteError::Conflict);
        }
        self.twins.insert(record.number, row)?;
        Ok(record.row().revision)
    }

    fn subscriptions(&mut self, record: &Record, subscriptions: &[Subscription]) -> Result<u64, Fault> {
        let old = record.row();
        let subscriptions = packed(subscriptions);
        if old.subscriptions == subscriptions {
            return Ok(old.revision);
        }
        let new = HubDeviceV1 { subscriptions, revision: self.next_revision(), ..old.clone() };
        self.put(record.number, Some(&old), &new)?;
        Ok(new.revision)
    }

    fn enqueue(&mut self, record: &Record, row: &[u8]) -> Outcome<u64, HubWriteError> {
        let limits = record.row().identity.resources;
        let total = self.total(record.number, Kind::Command)?;
        if !total.has_room(Kind::Command.size(row), limits.queue_messages, limits.queue_bytes) {
            return refused(HubWriteError::QueueFull);
        }
        Ok(self.append(record.number, Kind::Command, row)?)
    }

    fn delivered(&mut self, record: &Record, numbers: &[u64]) -> Outcome<u64, HubWriteError> {
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(row) = self.commands.get((record.number, *number))? else { continue };
            let row = delivered_once_more(row.value())
                .map_err(|error| Fault::row("command_queues", format_args!("{}, {number}", record.number), &error));
            rows.push((*number, read(row)?));
        }
        for (number, row) in rows {
            self.commands.insert((record.number, number), &*row)?;
        }
        Ok(record.row().revision)
    }

    /// An event that is larger than the whole storage is not kept, and leaves what is there.
    fn event(&mut self, record: &Record, row: &[u8]) -> Result<u64, Fault> {
        let limits = record.row().identity.resources;
        let size = Kind::Event.size(row);
        if limits.events_messages == 0 || size > limits.events_bytes {
            return Ok(NOT_KEPT);
        }
        let oldest =
            self.in_the_way(record.number, Kind::Event, size, (limits.events_messages, limits.events_bytes))?;
        self.take(record.number, Kind::Event, &oldest)?;
        self.append(record.number, Kind::Event, row)
    }
}
