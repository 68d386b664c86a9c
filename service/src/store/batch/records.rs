//! Rows of devices on hubs, with their indexes, counts and aliases.

use std::time::Duration;

use firsthop_protocol::{DeviceId, RegistrationId};
use redb::{ReadableTable, ReadableTableMetadata};

use super::Batch;
use crate::store::fault::Fault;
use crate::store::locate::{aliases, decode, locate, on_hub};
use crate::store::row::HubDeviceV1;
use crate::store::tables;

/// How long the trace of a device that left is kept.
const TRACES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Traces that are dropped with one that is written: more than one, so that they do not pile up.
const DROPPED_AT_ONCE: usize = 4;

/// The row of a device, taken out of its table.
pub(super) struct Record {
    pub number: u64,
    bytes: Vec<u8>,
}

impl Record {
    fn new(number: u64, bytes: &[u8]) -> Result<Self, Fault> {
        decode(number, bytes)?;
        Ok(Self { number, bytes: bytes.to_vec() })
    }

    pub fn row(&self) -> HubDeviceV1<'_> {
        HubDeviceV1::decode(&self.bytes).expect("it was decoded when it was read")
    }
}

impl Batch<'_, '_> {
    pub(super) fn record(&self, number: u64) -> Result<Option<Record>, Fault> {
        self.hub_devices.get(number)?.map(|guard| Record::new(number, guard.value())).transpose()
    }

    /// The device on that hub. A hub without a number has none.
    pub(super) fn find(&self, hub: Option<u32>, device: &DeviceId) -> Result<Option<Record>, Fault> {
        self.find_where(hub, device.as_str(), |_, row| row.identity.device_id() == device.as_str())
    }

    /// The device of a registration on that hub.
    pub(super) fn of_registration(&self, hub: Option<u32>, id: &RegistrationId) -> Result<Option<Record>, Fault> {
        self.find_where(hub, id.as_str(), |_, row| row.identity.registration_id == id.as_str())
    }

    /// The device that has the device id on that hub and is not kept under that number.
    pub(super) fn other(&self, hub: Option<u32>, device: &DeviceId, own: Option<u64>) -> Result<Option<Record>, Fault> {
        self.find_where(hub, device.as_str(), |number, row| {
            Some(number) != own && row.identity.device_id() == device.as_str()
        })
    }

    fn find_where(
        &self,
        hub: Option<u32>,
        id: &str,
        accept: impl Fn(u64, &HubDeviceV1<'_>) -> bool,
    ) -> Result<Option<Record>, Fault> {
        let Some(hub) = hub else { return Ok(None) };
        let accept = |number, row: &HubDeviceV1<'_>| row.hub == hub && accept(number, row);
        let found = locate(&self.ids, &self.aliases, &self.hub_devices, id, accept)?;
        found.map(|(number, guard)| Record::new(number, guard.value())).transpose()
    }

    /// Whether no other registration can have that device id, whichever hub it is on: so for a device that is called as its registration
    /// when there are no aliases at all. Spares the look-up at nearly every registration.
    pub(super) fn alone(&self, device: &DeviceId, registration: &str) -> Result<bool, Fault> {
        Ok(device.as_str().eq_ignore_ascii_case(registration) && self.aliases.is_empty()?)
    }

    /// Writes a row in place of the old one.
    pub(super) fn put(
        &mut self,
        number: u64,
        old: Option<&HubDeviceV1<'_>>,
        new: &HubDeviceV1<'_>,
    ) -> Result<(), Fault> {
        new.encode(&mut self.row).map_err(|error| Fault::row("hub_devices", number, &error))?;
        self.hub_devices.insert(number, &*self.row)?;
        self.index_device(number, old, Some(new))
    }

    /// Drops a trace, and what leads to it.
    pub(super) fn forget(&mut self, record: &Record) -> Result<(), Fault> {
        let row = record.row();
        self.hub_devices.remove(record.number)?;
        self.index_device(record.number, Some(&row), None)?;
        if !row.apart && self.registrations.get(record.number)?.is_none() {
            self.ids.remove(row.identity.registration_id)?;
        }
        Ok(())
    }

    /// Drops some of the traces that are old enough.
    pub(super) fn prune(&mut self, now: u64) -> Result<(), Fault> {
        let Some(oldest) = now.checked_sub(TRACES_KEPT.as_micros() as u64) else { return Ok(()) };
        let mut old = Vec::with_capacity(DROPPED_AT_ONCE);
        for entry in self.traces.range(..(oldest, 0))?.take(DROPPED_AT_ONCE) {
            old.push(entry?.0.value());
        }
        for (at, number) in old {
            match self.record(number) {
                Ok(Some(record)) if record.row().standing.left() == Some(at) => self.forget(&record)?,
                // An entry that leads nowhere is for the check to tell of; it must not stand in the way of every device that leaves.
                Ok(_) | Err(Fault::Damaged(_)) => drop(self.traces.remove((at, number))?),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn index_device(
        &mut self,
        number: u64,
        old: Option<&HubDeviceV1<'_>>,
        new: Option<&HubDeviceV1<'_>>,
    ) -> Result<(), Fault> {
        let (old_hub, new_hub) = (old.and_then(on_hub), new.and_then(on_hub));
        if old_hub != new_hub {
            if let Some(old) = old_hub {
                self.devices_by_hub.remove((old, number))?;
                self.counts.add((tables::COUNT_HUB_DEVICES, old), -1);
            }
            if let Some(new) = new_hub {
                self.devices_by_hub.insert((new, number), ())?;
                self.counts.add((tables::COUNT_HUB_DEVICES, new), 1);
            }
        }
        let (old_left, new_left) = (old.and_then(|old| old.standing.left()), new.and_then(|new| new.standing.left()));
        if old_left != new_left {
            if let Some(old) = old_left {
                self.traces.remove((old, number))?;
            }
            if let Some(new) = new_left {
                self.traces.insert((new, number), ())?;
            }
        }
        let (old_aliases, new_aliases) = (old.map_or([None; 2], aliases), new.map_or([None; 2], aliases));
        if old_aliases != new_aliases {
            for old in old_aliases.into_iter().flatten() {
                self.aliases.remove((old, number))?;
            }
            for new in new_aliases.into_iter().flatten() {
                self.aliases.insert((new, number), ())?;
            }
        }
        Ok(())
    }
}
