//! Telemetry that no hub has acknowledged, in the order in which it was handed in.
//!
//! ```text
//! closed ──first use──▶ open ──a failure──▶ closed          (the database is of no use after one until it is opened again)
//!                         └──damage──▶ checked and repaired, or set aside and begun anew
//! ```

mod commit;
mod fault;
mod file;
mod row;

use std::collections::BTreeMap;
use std::path::PathBuf;

use redb::{Database, ReadableDatabase};
use tracing::{error, warn};

pub(super) use commit::Fate;
pub(super) use fault::Fault;

use fault::guarded;
use file::{Meta, NotOpened};

use super::folder::{Folder, Unusable, beside, remove, set_aside};
use super::{DiskError, OutboxLimits, OutboxState, Sequence, Telemetry};

/// Messages that are gone from the outbox, and not yet from its file.
pub(super) type Gone = BTreeMap<u64, Fate>;

/// The outbox. Its file is made with the first message.
pub(super) struct Outbox {
    path: PathBuf,
    database: Option<Database>,
    meta: Meta,
    /// Whether the file has to be checked when it is opened.
    check: bool,
}

impl Outbox {
    /// Opens the file if there is one. One that cannot be opened now is tried again when it is needed.
    pub fn open(folder: &Folder, warnings: &mut Vec<String>) -> Result<Self, DiskError> {
        let path = folder.path().join("outbox.redb");
        let unfinished = beside(&path, ".new");
        remove(&unfinished).map_err(|source| DiskError::Unreadable { path: unfinished, source })?;
        let meta = Meta { next: 1, state: OutboxState::default() };
        let mut outbox = Self { path, database: None, meta, check: true };
        match outbox.ensure(folder, false, warnings) {
            Ok(_) => {}
            Err(fault @ Fault::Denied(_)) => return Err(outbox.error(&fault, folder)),
            Err(fault) => warnings.push(format!("{}: {fault}; it is tried again", outbox.path.display())),
        }
        Ok(outbox)
    }

    /// Puts messages in and takes others out, in one commit. Done when it is on the disk, for each message where it is, or why it is not in.
    pub fn commit(
        &mut self,
        folder: &Folder,
        messages: &[&Telemetry],
        gone: &Gone,
        limits: OutboxLimits,
    ) -> Result<Vec<Result<Sequence, DiskError>>, Fault> {
        let make = !messages.is_empty();
        let done =
            self.on_database(folder, make, |database, meta| commit::commit(database, meta, messages, gone, limits));
        done.map(Option::unwrap_or_default)
    }

    /// The oldest messages behind that one, at most so many, and about so many bytes, but one at least.
    pub fn load(
        &mut self,
        folder: &Folder,
        behind: Option<Sequence>,
        (messages, bytes): (usize, usize),
        gone: &Gone,
    ) -> Result<Vec<(Sequence, Option<Telemetry>)>, Fault> {
        let Some(first) = behind.map_or(Some(0), |Sequence(behind)| behind.checked_add(1)) else {
            return Ok(Vec::new());
        };
        let loaded = self.on_database(folder, false, |database, _| {
            let table = database.begin_read()?.open_table(file::MESSAGES)?;
            let (mut loaded, mut room) = (Vec::new(), bytes);
            for entry in table.range(first..)? {
                let (sequence, row) = entry?;
                let (sequence, row) = (sequence.value(), row.value());
                if gone.contains_key(&sequence) {
                    continue;
                }
                if loaded.len() >= messages || (!loaded.is_empty() && row.len() > room) {
                    break;
                }
                room = room.saturating_sub(row.len());
                loaded.push((Sequence(sequence), row::decode(row)));
            }
            Ok(loaded)
        });
        loaded.map(Option::unwrap_or_default)
    }

    pub fn state(&self) -> OutboxState {
        self.meta.state
    }

    pub fn error(&self, fault: &Fault, folder: &Folder) -> DiskError {
        fault.error(folder.path(), &self.path)
    }

    /// Closes the file, which then opens at once.
    pub fn close(mut self) {
        if let Some(database) = self.database.take()
            && let Err(fault) = guarded(|| Ok(database.close()?))
        {
            warn!(%fault, "the outbox was not closed cleanly; nothing is lost");
        }
    }

    /// Works on the database; `None` if there is none and none is to be made. Where it is found to be damaged it is checked, and set aside
    /// if need be, before the work is tried once more.
    fn on_database<T>(
        &mut self,
        folder: &Folder,
        make: bool,
        work: impl Fn(&Database, &mut Meta) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let mut again = true;
        loop {
            let mut told = Vec::new();
            let ensured = self.ensure(folder, make, &mut told);
            told.iter().for_each(|what| error!("{what}"));
            ensured?;
            let Some(database) = &self.database else { return Ok(None) };
            let mut meta = self.meta;
            let fault = match guarded(|| work(database, &mut meta)) {
                Ok(done) => {
                    self.meta = meta;
                    return Ok(Some(done));
                }
                Err(fault) => fault,
            };
            self.let_go();
            self.check = matches!(fault, Fault::Damaged(_));
            if !(self.check && again) {
                return Err(fault);
            }
            error!(%fault, "the outbox is checked");
            again = false;
        }
    }

    /// Closes a database that refuses to work. It may panic once more in that; its file is released all the same.
    fn let_go(&mut self) {
        let database = self.database.take();
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }

    fn ensure(&mut self, folder: &Folder, make: bool, warnings: &mut Vec<String>) -> Result<(), Fault> {
        if self.database.is_some() {
            return Ok(());
        }
        match std::fs::symlink_metadata(&self.path) {
            Ok(_) => self.reopen(warnings)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        if self.database.is_none() && make {
            self.hold(file::create(folder, &self.path, self.meta.next)?);
        }
        Ok(())
    }

    /// Opens the file that is there, or sets it aside.
    fn reopen(&mut self, warnings: &mut Vec<String>) -> Result<(), Fault> {
        let opened = match (file::open(&self.path, self.check), self.check) {
            // A check writes, for which there may be no room; sending what waits must go on.
            (Err(NotOpened::Fault(Fault::Full | Fault::Io(_))), true) => file::open(&self.path, false),
            (Err(NotOpened::Unusable(Unusable::Damaged(_))), false) => file::open(&self.path, true),
            (opened, _) => opened,
        };
        match opened {
            Ok(opened) => self.hold(opened),
            Err(NotOpened::Fault(fault)) => return Err(fault),
            Err(NotOpened::Unusable(unusable)) => {
                let aside = set_aside(&self.path, &unusable).map_err(|error| Fault::Io(error.to_string()))?;
                warnings.push(aside);
                self.meta.state = OutboxState::default();
            }
        }
        Ok(())
    }

    fn hold(&mut self, (database, meta): (Database, Meta)) {
        // What was given out by a commit of which nobody knows whether it was made is not given out again.
        self.meta = Meta { next: meta.next.max(self.meta.next), ..meta };
        self.database = Some(database);
        self.check = false;
    }
}
