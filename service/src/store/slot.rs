//! Where the open database is. Readers and the writer take it from here, so that the writer can put a fresh one in its place after a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tracing::warn;

use super::fault::Fault;
use super::format;
use crate::domain::ports::StoreError;

enum State {
    Open(Database),
    /// It could not be opened again, or is being so.
    Away(Arc<str>),
    Closed,
}

/// The open database, or why there is none. The lock is held while a transaction begins, not while it runs.
pub(super) struct Slot(RwLock<Held>);

struct Held {
    state: State,
    /// Grows with every change of the state: a failure is that of one generation.
    generation: u64,
    /// Somebody told the writer already that this generation is unusable.
    reported: bool,
}

/// A transaction to read in, and the generation of the database that it reads.
pub(super) struct Reading {
    pub transaction: ReadTransaction,
    pub generation: u64,
}

/// Why no reading began.
pub(super) struct NotReading {
    pub error: StoreError,
    pub generation: u64,
}

impl Slot {
    pub fn new(database: Database) -> Self {
        Self(RwLock::new(Held { state: State::Open(database), generation: 0, reported: false }))
    }

    pub fn begin_read(&self) -> Result<Reading, NotReading> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let generation = held.generation;
        let error = match &held.state {
            State::Open(database) => match database.begin_read() {
                Ok(transaction) => return Ok(Reading { transaction, generation }),
                Err(error) => StoreError::from(&Fault::from(error)),
            },
            State::Away(reason) => StoreError::Unavailable(reason.clone()),
            State::Closed => StoreError::Closed,
        };
        Err(NotReading { error, generation })
    }

    pub fn begin_durable(&self) -> Result<WriteTransaction, Fault> {
        match &self.0.read().unwrap_or_else(PoisonError::into_inner).state {
            State::Open(database) => format::begin_durable(database),
            State::Away(reason) => Err(Fault::Io(reason.to_string())),
            State::Closed => Err(Fault::Io("the store is closed".to_owned())),
        }
    }

    pub fn is_away(&self) -> bool {
        matches!(self.0.read().unwrap_or_else(PoisonError::into_inner).state, State::Away(_))
    }

    /// Whether that generation is still the one here, and is reported as unusable for the first time.
    pub fn report(&self, generation: u64) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.generation == generation && !std::mem::replace(&mut held.reported, true)
    }

    /// Lets the next reader report again, and says whether that generation is still here.
    pub fn take_report(&self, generation: u64) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.reported = false;
        held.generation == generation
    }

    /// Takes the database out and closes it: its file can be opened again only then. A database in which something panicked may panic once
    /// more in that; its file is released all the same.
    pub fn vacate(&self, reason: &str) {
        let old = self.replace(State::Away(reason.into()));
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            warn!("the database panicked while it was closed");
        }
    }

    pub fn fill(&self, database: Database) {
        drop(self.replace(State::Open(database)));
    }

    /// Closes for good, and says what went wrong in that.
    pub fn close(&self) -> Option<Fault> {
        match self.replace(State::Closed) {
            State::Open(database) => match catch_unwind(AssertUnwindSafe(|| database.close())) {
                Ok(closed) => closed.err().map(Fault::from),
                Err(panic) => Some(Fault::panic("closing", &*panic)),
            },
            State::Away(_) | State::Closed => None,
        }
    }

    /// The old state is given out of the lock: closing a database writes to it.
    fn replace(&self, state: State) -> State {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.generation += 1;
        held.reported = false;
        std::mem::replace(&mut held.state, state)
    }
}
