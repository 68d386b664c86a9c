//! The tables of the store's file, and what is read from them when it is opened.
//!
//! Keys that devices choose are random, and a random key costs a page per insert. So there is one table with such keys, of small rows, that
//! gives a registration its number; all else is kept under that number, which grows, so that what is written together lies together.

use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};

use super::fault::Fault;

/// What the file looks like; a file with a higher number was written by a newer program.
pub(super) const FORMAT_VERSION: u64 = 1;

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

/// Names that rows and indexes hold as numbers.
pub(super) type NameTable = TableDefinition<'static, u32, &'static str>;
pub(super) const ENROLLMENT_NAMES: NameTable = TableDefinition::new("enrollment_names");
pub(super) const HUB_NAMES: NameTable = TableDefinition::new("hub_names");

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const META_FORMAT_VERSION: &str = "format_version";
const META_NEXT_NUMBER: &str = "next_number";
const META_REVISION: &str = "revision";

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

/// Why the tables of a file cannot be used.
#[derive(Debug)]
pub(super) enum FormatError {
    /// A redb file with other tables.
    Foreign,
    /// Written by a newer program.
    Newer(u64),
    /// Older than any version that could be upgraded.
    Unknown(u64),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for FormatError {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// A transaction whose commit survives a power cut and after which the file opens at once.
pub(super) fn begin_durable(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes the tables in a new file.
pub(super) fn create(database: &Database) -> Result<(), Fault> {
    let transaction = begin_durable(database)?;
    transaction.open_table(IDS)?;
    transaction.open_table(REGISTRATIONS)?;
    transaction.open_table(DEVICES)?;
    for index in [BY_ENROLLMENT, BY_HUB, BY_STATE] {
        transaction.open_table(index)?;
    }
    for names in [ENROLLMENT_NAMES, HUB_NAMES] {
        transaction.open_table(names)?;
    }
    transaction.open_table(COUNTS)?;
    transaction.open_table(META)?.insert(META_FORMAT_VERSION, FORMAT_VERSION)?;
    Sequence { next_number: 1, revision: 0 }.write(&transaction)?;
    Ok(transaction.commit()?)
}

/// Checks the format, upgrades an older one, and reads where the numbers stand.
pub(super) fn load(database: &Database) -> Result<Sequence, FormatError> {
    match format_version(database)? {
        FORMAT_VERSION => {}
        newer if newer > FORMAT_VERSION => return Err(FormatError::Newer(newer)),
        older => upgrade(database, older)?,
    }
    sequence(&database.begin_read()?)
}

fn format_version(database: &Database) -> Result<u64, FormatError> {
    let meta = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(FormatError::Foreign),
    };
    let version = meta.get(META_FORMAT_VERSION)?.ok_or(FormatError::Foreign)?;
    Ok(version.value())
}

/// Brings an older file to this format in one transaction. There is no older format yet: the first one is 1.
fn upgrade(_database: &Database, from: u64) -> Result<(), FormatError> {
    Err(FormatError::Unknown(from))
}

pub(super) fn sequence(transaction: &redb::ReadTransaction) -> Result<Sequence, FormatError> {
    let meta = transaction.open_table(META)?;
    let number = |key: &str| -> Result<u64, FormatError> {
        let value = meta.get(key)?.ok_or_else(|| Fault::Damaged(format!("table meta: {key} is missing")))?;
        Ok(value.value())
    };
    Ok(Sequence { next_number: number(META_NEXT_NUMBER)?, revision: number(META_REVISION)? })
}

/// Writes another format version, as a newer program would.
#[cfg(test)]
pub(super) fn write_format_version(database: &Database, version: u64) {
    let transaction = begin_durable(database).unwrap();
    transaction.open_table(META).unwrap().insert(META_FORMAT_VERSION, version).unwrap();
    transaction.commit().unwrap();
}
