//! Sessions of devices at the provisioning endpoint.

use super::Notice;
use crate::domain::attestation::Principal;

/// Reaches live sessions at the provisioning endpoint.
pub trait Sessions: Send + Sync + 'static {
    /// Tells the device's sessions that listen to `$provisioning/notify`; `false`: there is none.
    fn notify(&self, device: &Principal, notice: &Notice) -> bool;
}
