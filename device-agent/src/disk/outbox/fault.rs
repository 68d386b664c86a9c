//! What can go wrong beneath the outbox, sorted by what to do about it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::disk::DiskError;
use crate::disk::folder::is_full;

/// A failure of the file, or of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::disk) enum Fault {
    /// The disk has no room.
    #[error("the disk is full")]
    Full,
    /// The file may not be used.
    #[error("{0}")]
    Denied(String),
    /// It cannot be read or written. Opening it again may help.
    #[error("{0}")]
    Io(String),
    /// What is in it makes no sense. It may be better after a check that repairs.
    #[error("damaged ({0})")]
    Damaged(String),
}

impl Fault {
    pub fn error(&self, folder: &Path, file: &Path) -> DiskError {
        match self {
            Self::Full => DiskError::DiskFull { path: folder.to_owned() },
            Self::Denied(_) => DiskError::Unreadable {
                path: file.to_owned(),
                source: io::Error::new(io::ErrorKind::PermissionDenied, self.to_string()),
            },
            Self::Io(message) => DiskError::Write { path: file.to_owned(), message: message.clone() },
            Self::Damaged(_) => DiskError::Write { path: file.to_owned(), message: self.to_string() },
        }
    }
}

// Where a panic ended the process, a damaged outbox would end it at each start, and the device would never get to its hub.
#[cfg(not(panic = "unwind"))]
compile_error!("the device agent needs panic = \"unwind\": what the database makes of a damaged outbox is caught");

/// Works on the database. It trusts what it finds in its file, and may panic over what a broken disk made of that.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Fault::Damaged(panic_text(&*panic).to_owned())))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("its structure makes no sense")
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if is_full(&error) => Self::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied(error.to_string()),
            // It is shorter than what is in it says, or no such file at all.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
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
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
