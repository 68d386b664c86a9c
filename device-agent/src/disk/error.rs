//! Why something cannot be kept, or is not found again.

use std::io;
use std::path::PathBuf;

/// Why something cannot be kept, or is not found again.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The folder cannot be made, or is not a folder.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Other users may write into the folder.
    #[error("{}: other users may write there (mode {mode:o}); the device's state is for its own user alone: chmod 700", path.display())]
    Shared {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another process has it.
    #[error("{} is used by another process; one agent at a time may have it", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is there may not be read. Nothing is begun anew in its place.
    #[error("cannot read {}: {source}; this user must be able to read and write it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk has no room.
    #[error("the disk with {} is full", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
    },
    /// The outbox has no room.
    #[error("the outbox is full: {messages} messages, {bytes} bytes")]
    OutboxFull {
        /// Messages that wait.
        messages: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A message is too large.
    #[error("a message of {len} bytes is larger than the {limit} allowed")]
    TooLarge {
        /// Its bytes.
        len: usize,
        /// The most.
        limit: usize,
    },
    /// Anything else.
    #[error("cannot use {}: {message}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The thread is gone.
    #[error("the device is stopping")]
    Stopped,
}
