//! The format of the store's file: making its tables, upgrading those of an older file, and what is read from them when it is opened.

use redb::{Database, Durability, ReadableDatabase, WriteTransaction};
use tracing::info;

use super::fault::Fault;
use super::tables::*;

/// What the file looks like; a file with a higher number was written by a newer program.
///
/// 1: registrations and the device registry. 2: devices on hubs, the journal of moves, settings of hubs.
pub(super) const FORMAT_VERSION: u64 = 2;

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
    create_hub_tables(&transaction)?;
    transaction.open_table(META)?.insert(META_FORMAT_VERSION, FORMAT_VERSION)?;
    Sequence { next_number: 1, revision: 0 }.write(&transaction)?;
    Ok(transaction.commit()?)
}

/// What format 2 has besides the tables of format 1.
fn create_hub_tables(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(HUB_DEVICES)?;
    transaction.open_table(ALIASES)?;
    transaction.open_table(DEVICES_BY_HUB)?;
    transaction.open_table(TRACES)?;
    transaction.open_table(TWINS)?;
    for messages in [COMMANDS, EVENTS] {
        transaction.open_table(messages)?;
    }
    transaction.open_table(MESSAGE_TOTALS)?;
    transaction.open_table(CERTIFICATES)?;
    transaction.open_table(TRANSFERS)?;
    transaction.open_table(HUB_SETTINGS)?;
    Ok(())
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

/// Brings an older file to this format in one transaction. Rows are left as they are: each says its own version.
fn upgrade(database: &Database, from: u64) -> Result<(), FormatError> {
    if from != 1 {
        return Err(FormatError::Unknown(from));
    }
    let transaction = begin_durable(database)?;
    create_hub_tables(&transaction)?;
    transaction.open_table(META)?.insert(META_FORMAT_VERSION, FORMAT_VERSION)?;
    transaction.commit()?;
    info!(from, to = FORMAT_VERSION, "the store was brought to a newer format");
    Ok(())
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
