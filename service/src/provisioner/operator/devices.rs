//! Where a device lives, for what operators do with it there.

use std::sync::Arc;

use firsthop_protocol::{DeviceId, HubName, RegistrationId};

use super::AdminError;
use crate::domain::ports::Hub;
use crate::domain::registration::State;
use crate::provisioner::Provisioner;

impl Provisioner {
    /// The hub that has the device, and the way to it.
    pub fn home(&self, device: &DeviceId) -> Result<(HubName, Arc<dyn Hub>), AdminError> {
        let unknown = || AdminError::Unknown(format!("device {device} is on no hub"));
        // An individual entry may have named it otherwise than its registration.
        let renamed = self.entries.load().book.registration_of(device).cloned();
        let id = renamed.or_else(|| RegistrationId::parse(device.as_str()).ok()).ok_or_else(unknown)?;
        let registration = self.store.registration(&id)?.ok_or_else(unknown)?.registration;
        let State::Assigned { hub, .. } = registration.state else { return Err(unknown()) };
        if registration.device_id != *device {
            return Err(unknown());
        }
        let none = || AdminError::Conflict(format!("device {device} is on hub {hub}, which is an address only"));
        let port = self.moves.hub(&hub).cloned().ok_or_else(none)?;
        Ok((hub, port))
    }
}
