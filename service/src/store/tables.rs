//! The tables of the store's file.
//!
//! Keys that devices choose are random, and a random key costs a page per insert. So there is one table with such keys, of small rows, that
//! gives a registration its number; all else is kept under that number, which grows, so that what is written together lies together. A
//! device on a hub of this store has its registration's number too, whichever hub it is.

use redb::{TableDefinition, WriteTransaction};

use super::fault::Fault;
use super::row::Certificate;

/// Registration id to number.
pub(super) const IDS: TableDefinition<&str, u64> = TableDefinition::new("registration_numbers");
/// Number to registration.
pub(super) const REGISTRATIONS: TableDefinition<u64, &[u8]> = TableDefinition::new("registrations");
/// Number to registry entry.
pub(super) const DEVICES: TableDefinition<u64, &[u8]> = TableDefinition::new("devices");

/// An index: a number that stands for a value, and a registration that has it.
pub(super) type Index = TableDefinition<'static, (u32, u64), ()>;
pub(super) const BY_ENROLLMENT: Index = TableDefinition::new("registrations_by_enrollment");
pub(super) const BY_HUB: Index = TableDefinition::new("registrations_by_hub");
pub(super) const BY_STATE: Index = TableDefinition::new("registrations_by_state");
/// Values of the index by state.
pub(super) const ASSIGNED: u32 = 1;
pub(super) const FAILED: u32 = 2;

/// How many registrations there are of a kind: which kind, and the value in its index (0 for all).
pub(super) const COUNTS: TableDefinition<(u8, u32), u64> = TableDefinition::new("registration_counts");
pub(super) const COUNT_ALL: (u8, u32) = (0, 0);
pub(super) const COUNT_ENROLLMENT: u8 = 1;
pub(super) const COUNT_HUB: u8 = 2;
pub(super) const COUNT_STATE: u8 = 3;
/// Of devices on a hub of this store.
pub(super) const COUNT_HUB_DEVICES: u8 = 4;

/// Number to device on its hub, or to the trace of one that left.
pub(super) const HUB_DEVICES: TableDefinition<u64, &[u8]> = TableDefinition::new("hub_devices");
/// Devices that the numbers of registration ids do not lead to: device id and number.
pub(super) const ALIASES: TableDefinition<(&str, u64), ()> = TableDefinition::new("hub_device_aliases");
/// Devices on hubs, without those that left.
pub(super) const DEVICES_BY_HUB: Index = TableDefinition::new("hub_devices_by_hub");
/// Traces of those that left, by when: microseconds and number.
pub(super) const TRACES: TableDefinition<(u64, u64), ()> = TableDefinition::new("hub_device_traces");
/// Number to twin.
pub(super) const TWINS: TableDefinition<u64, &[u8]> = TableDefinition::new("twins");

/// Messages of a device: its number, and theirs.
pub(super) type Messages = TableDefinition<'static, (u64, u64), &'static [u8]>;
pub(super) const COMMANDS: Messages = TableDefinition::new("command_queues");
pub(super) const EVENTS: Messages = TableDefinition::new("event_storages");
/// How many messages a device has of a kind, and their size: number and kind. None: none.
pub(super) const MESSAGE_TOTALS: TableDefinition<(u64, u8), (u64, u64)> = TableDefinition::new("message_totals");
pub(super) const TOTAL_COMMANDS: u8 = 1;
pub(super) const TOTAL_EVENTS: u8 = 2;

/// CA certificates by their SHA-256. They are as few as enrollment groups, and stay.
pub(super) const CERTIFICATES: TableDefinition<&Certificate, &[u8]> = TableDefinition::new("certificates");
/// Registration id to the move under way.
pub(super) const TRANSFERS: TableDefinition<&str, &[u8]> = TableDefinition::new("transfers");
/// Hub name to what an operator set.
pub(super) const HUB_SETTINGS: TableDefinition<&str, &[u8]> = TableDefinition::new("hub_settings");

/// Names that rows and indexes hold as numbers.
pub(super) type NameTable = TableDefinition<'static, u32, &'static str>;
pub(super) const ENROLLMENT_NAMES: NameTable = TableDefinition::new("enrollment_names");
pub(super) const HUB_NAMES: NameTable = TableDefinition::new("hub_names");

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(super) const META_FORMAT_VERSION: &str = "format_version";
pub(super) const META_NEXT_NUMBER: &str = "next_number";
pub(super) const META_REVISION: &str = "revision";

/// The numbers that the writer hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// Of the next new registration.
    pub next_number: u64,
    /// The last one given to a change; the etag of the registration changed.
    pub revision: u64,
}

impl Sequence {
    pub fn write(self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_NEXT_NUMBER, self.next_number)?;
        meta.insert(META_REVISION, self.revision)?;
        Ok(())
    }
}
