//! Command queues and event storages. Totals are kept beside the messages, so that limits cost the same however many wait.

use redb::{ReadableTable, Table};

use super::Batch;
use crate::store::fault::Fault;
use crate::store::row::{event_size, message_size};
use crate::store::tables;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Command,
    Event,
}

impl Kind {
    fn total(self) -> u8 {
        match self {
            Self::Command => tables::TOTAL_COMMANDS,
            Self::Event => tables::TOTAL_EVENTS,
        }
    }

    pub fn size(self, row: &[u8]) -> u64 {
        match self {
            Self::Command => message_size(row),
            Self::Event => event_size(row),
        }
    }
}

/// How many messages, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    pub messages: u64,
    pub bytes: u64,
}

impl Total {
    /// Whether one more of that size stays within the limits.
    pub fn has_room(self, size: u64, messages: u32, bytes: u64) -> bool {
        self.messages < u64::from(messages) && self.bytes.saturating_add(size) <= bytes
    }
}

impl<'t> Batch<'t, '_> {
    pub(super) fn messages(&mut self, kind: Kind) -> &mut Table<'t, (u64, u64), &'static [u8]> {
        match kind {
            Kind::Command => &mut self.commands,
            Kind::Event => &mut self.events,
        }
    }

    pub(super) fn total(&self, device: u64, kind: Kind) -> Result<Total, Fault> {
        let (messages, bytes) = self.totals.get((device, kind.total()))?.map_or((0, 0), |total| total.value());
        Ok(Total { messages, bytes })
    }

    fn set_total(&mut self, device: u64, kind: Kind, total: Total) -> Result<(), Fault> {
        let key = (device, kind.total());
        match total.messages {
            0 => drop(self.totals.remove(key)?),
            _ => drop(self.totals.insert(key, (total.messages, total.bytes))?),
        }
        Ok(())
    }

    /// Appends a message. Its number is one of the store's revisions: it never comes again, also after all messages were dropped.
    pub(super) fn append(&mut self, device: u64, kind: Kind, row: &[u8]) -> Result<u64, Fault> {
        let number = self.next_revision();
        let total = self.total(device, kind)?;
        self.messages(kind).insert((device, number), row)?;
        let total = Total { messages: total.messages + 1, bytes: total.bytes.saturating_add(kind.size(row)) };
        self.set_total(device, kind, total)?;
        Ok(number)
    }

    /// Takes those of the messages out that are there.
    pub(super) fn take(&mut self, device: u64, kind: Kind, numbers: &[u64]) -> Result<(), Fault> {
        let mut total = self.total(device, kind)?;
        for number in numbers {
            let size = self.messages(kind).remove((device, *number))?.map(|row| kind.size(row.value()));
            if let Some(size) = size {
                total.messages = total.messages.saturating_sub(1);
                total.bytes = total.bytes.saturating_sub(size);
            }
        }
        self.set_total(device, kind, total)
    }

    /// The oldest messages that must go before one of that size finds room.
    pub(super) fn in_the_way(
        &mut self,
        device: u64,
        kind: Kind,
        size: u64,
        (messages, bytes): (u32, u64),
    ) -> Result<Vec<u64>, Fault> {
        let mut total = self.total(device, kind)?;
        let mut oldest = Vec::new();
        if total.has_room(size, messages, bytes) {
            return Ok(oldest);
        }
        for entry in self.messages(kind).range((device, 0)..=(device, u64::MAX))? {
            let (key, row) = entry?;
            oldest.push(key.value().1);
            total.messages = total.messages.saturating_sub(1);
            total.bytes = total.bytes.saturating_sub(kind.size(row.value()));
            if total.has_room(size, messages, bytes) {
                break;
            }
        }
        Ok(oldest)
    }

    /// Drops all messages of a device.
    pub(super) fn drop_messages(&mut self, device: u64) -> Result<(), Fault> {
        for kind in [Kind::Command, Kind::Event] {
            if self.totals.remove((device, kind.total()))?.is_some() {
                self.messages(kind).retain_in((device, 0)..=(device, u64::MAX), |_, _| false)?;
            }
        }
        Ok(())
    }
}
