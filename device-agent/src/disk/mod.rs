//! What a device keeps through restarts and power cuts, behind one thread: files are written there and nothing else waits for them.
//!
//! ```text
//! assignment.cbor    the assignments (flow::Known)       two generations of each: temp file, fsync, rename; checksummed
//! twin.cbor          what is kept of the twin
//! outbox.redb        telemetry that no hub has acknowledged
//! device.cbor        whose all that is
//! lock               one process at a time
//! ```

mod envelope;
mod error;
mod folder;
mod generations;
mod handle;
mod outbox;
mod owner;
mod telemetry;
mod thread;

pub use error::DiskError;
pub use folder::check_folder;
pub use handle::Disk;
pub use telemetry::{Sequence, Telemetry};

use serde::{Deserialize, Serialize};

use crate::flow::Known;
use crate::twin;

/// How much telemetry waits on the disk at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Messages.
    pub messages: u64,
    /// Bytes of their properties and bodies.
    pub bytes: u64,
    /// What happens to a message that finds no room.
    pub when_full: WhenFull,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { messages: 100_000, bytes: 64 * 1024 * 1024, when_full: WhenFull::default() }
    }
}

/// What happens to a message that finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenFull {
    /// The oldest ones make room; they are counted.
    #[default]
    DropOldest,
    /// It is refused.
    Refuse,
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxState {
    /// Messages that wait.
    pub waiting: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were dropped for lack of room, or that a hub refused, since the outbox was made.
    pub dropped: u64,
}

/// What was found on the disk.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The assignments.
    pub known: Known,
    /// What was kept of the twin.
    pub twin: twin::Kept,
    /// What was wrong with the files, for people; already set aside.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests;
