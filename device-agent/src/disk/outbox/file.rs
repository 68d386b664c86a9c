//! The outbox's file: made whole, opened, and what it says of itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tracing::debug;

use super::fault::{Fault, guarded};
use crate::disk::OutboxState;
use crate::disk::folder::{Folder, Unusable, beside, remove};

pub(super) const MESSAGES: TableDefinition<u64, &[u8]> = TableDefinition::new("messages");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const MAGIC: &[u8; 4] = b"redb";
const FORMAT: u64 = 1;
/// A commit or a load touches few pages, so more would only cost memory.
const CACHE_SIZE: usize = 256 * 1024;

/// What the file says of itself. It changes with the messages, in the same commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// The sequence number of the next message; none is given twice.
    pub next: u64,
    pub state: OutboxState,
}

/// Why a file that is there cannot be used.
pub(super) enum NotOpened {
    Unusable(Unusable),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for NotOpened {
    fn from(error: E) -> Self {
        match error.into() {
            Fault::Damaged(reason) => Self::Unusable(Unusable::Damaged(reason)),
            fault => Self::Fault(fault),
        }
    }
}

/// Makes a file without messages. It has its name when it is whole, so that a crash leaves none that cannot be opened.
pub(super) fn create(folder: &Folder, path: &Path, next: u64) -> Result<(Database, Meta), Fault> {
    let unfinished = beside(path, ".new");
    let meta = Meta { next, state: OutboxState::default() };
    let made = make(&unfinished, &meta).and_then(|database| {
        std::fs::rename(&unfinished, path)?;
        folder.sync()?;
        Ok((database, meta))
    });
    made.inspect_err(|_| {
        let _ = remove(&unfinished);
    })
}

fn make(path: &Path, meta: &Meta) -> Result<Database, Fault> {
    remove(path)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    guarded(|| {
        let database = database(file, false)?;
        let transaction = begin(&database)?;
        transaction.open_table(MESSAGES)?;
        transaction.open_table(META)?.insert("format", FORMAT)?;
        write_meta(&transaction, meta)?;
        transaction.commit()?;
        Ok(database)
    })
}

/// Opens a file that is there. With `check` all of it is read, and repaired where it can be.
pub(super) fn open(path: &Path, check: bool) -> Result<(Database, Meta), NotOpened> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let foreign = |reason| NotOpened::Unusable(Unusable::Foreign(reason));
    if !file.metadata()?.is_file() {
        return Err(foreign("it is no regular file"));
    }
    let mut magic = [0; MAGIC.len()];
    // The database would take an empty file for a new one.
    match file.read_exact(&mut magic) {
        Ok(()) if magic == *MAGIC => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => return Err(foreign("it does not begin as one")),
    }
    let (database, format) = guarded(|| {
        let database = database(file, check)?;
        let format = number(&database, "format")?;
        Ok((database, format))
    })?;
    if format > FORMAT {
        return Err(NotOpened::Unusable(Unusable::Newer(format)));
    }
    let meta = guarded(|| read_meta(&database))?;
    Ok((database, meta))
}

fn database(file: File, check: bool) -> Result<Database, Fault> {
    let database = Builder::new()
        .set_cache_size(CACHE_SIZE)
        .set_check_integrity_on_open(check)
        .set_repair_callback(|repair| {
            debug!(percent = (repair.progress() * 100.0) as u8, "the outbox is being checked")
        })
        .create_with_backend(FileBackend::new(file)?)?;
    Ok(database)
}

/// A transaction whose commit survives a power cut, and after which the file opens at once, also where the disk is full.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn number(database: &Database, key: &str) -> Result<u64, Fault> {
    let value = database.begin_read()?.open_table(META)?.get(key)?;
    let value = value.ok_or_else(|| Fault::Damaged(format!("it says nothing of {key}")))?;
    Ok(value.value())
}

fn read_meta(database: &Database) -> Result<Meta, Fault> {
    let number = |key| number(database, key);
    let state = OutboxState { waiting: number("waiting")?, bytes: number("bytes")?, dropped: number("dropped")? };
    let last = database.begin_read()?.open_table(MESSAGES)?.last()?.map(|(sequence, _)| sequence.value());
    match number("next")? {
        next if last.is_some_and(|last| last >= next) => {
            Err(Fault::Damaged(format!("message {next} is there already")))
        }
        next => Ok(Meta { next, state }),
    }
}

pub(super) fn write_meta(transaction: &WriteTransaction, meta: &Meta) -> Result<(), Fault> {
    let mut table = transaction.open_table(META)?;
    let Meta { next, state: OutboxState { waiting, bytes, dropped } } = *meta;
    for (key, number) in [("next", next), ("waiting", waiting), ("bytes", bytes), ("dropped", dropped)] {
        table.insert(key, number)?;
    }
    Ok(())
}
