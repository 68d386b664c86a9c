//! Why a twin is not changed.

use firsthop_protocol::document::kind;
use firsthop_protocol::twin::limits::{LimitError, Part};
use serde_json::Value;

/// Why a twin is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    #[error("the patch is no JSON map: {0}")]
    Malformed(String),
    #[error("the patch has {0} bytes; at most {max} are allowed", max = super::MAX_PATCH_BYTES)]
    PatchSize(usize),
    #[error("{part} must be a map, not {found}")]
    NoMap { part: &'static str, found: &'static str },
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Not a limit: somebody else changed it first.
    #[error("the properties are at $version {found}, not at {expected}; read them again and decide again")]
    Version { expected: u64, found: u64 },
}

impl TwinError {
    pub(super) fn no_map(part: Part, found: &Value) -> Self {
        Self::NoMap { part: part.name(), found: kind(found) }
    }
}
