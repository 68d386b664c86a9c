//! What a place of credentials can do.

use crate::{Credentials, SetupError};

/// Where credentials come from, so that a renewed certificate is used without a restart.
pub trait CredentialsSource: std::fmt::Debug + Send + Sync {
    /// Reads them. Blocks, on files or on a token. Whoever fails to read new ones goes on with the old ones: halfway through a renewal
    /// a key does not belong to its certificate.
    fn load(&self) -> Result<Credentials, SetupError>;

    /// Whether they may have changed since they were last loaded, and true after a failure: cheap, asked before each connection.
    fn changed(&self) -> bool;
}
