//! What can go wrong beneath the store, sorted by what to do about it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use redb::StorageError;

use super::row::RowError;
use crate::domain::ports::StoreError;

/// A failure of the file or of what is in it.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file cannot be read or written. Opening it again may help.
    Io(String),
    /// The content is not what was written.
    Damaged(String),
}

impl Fault {
    /// A panic beneath the store, or in it.
    pub fn panic(doing: &str, panic: &(dyn Any + Send)) -> Self {
        Self::Io(format!("{doing} panicked: {}", panic_text(panic)))
    }

    pub fn row(table: impl fmt::Display, key: impl fmt::Display, error: &RowError) -> Self {
        Self::Damaged(format!("table {table}, key {key}: {error}"))
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(reason) | Self::Damaged(reason) => f.write_str(reason),
        }
    }
}

impl From<&Fault> for StoreError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Io(reason) => Self::Unavailable(Arc::from(&**reason)),
            Fault::Damaged(reason) => Self::Damaged(Arc::from(&**reason)),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(reason) => Self::Damaged(reason),
            redb::Error::Io(error) => Self::Io(error.to_string()),
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_) => Self::Damaged(error.to_string()),
            other => Self::Io(other.to_string()),
        }
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        })+
    };
}

from_redb!(
    StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
