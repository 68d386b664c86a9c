//! Settings of the management socket.

use std::path::PathBuf;

use serde::Deserialize;

/// Where operators reach the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Unix socket. Whoever may write to it may do everything: it belongs to the service's user and group (mode 0660). Without it
    /// there is no management.
    pub socket: Option<PathBuf>,
}
