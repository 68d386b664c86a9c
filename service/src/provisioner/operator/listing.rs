//! Registrations in pages.

use firsthop_protocol::{HubName, RegistrationId};

use super::{AdminError, RegistrationView};
use crate::provisioner::Provisioner;

/// One registration of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The list goes on after it.
    pub position: u64,
    pub id: RegistrationId,
    pub view: RegistrationView,
}

impl Provisioner {
    /// Registrations on that hub, from the one after the position `after` on.
    pub fn registrations_on(&self, hub: &HubName, after: Option<u64>, limit: usize) -> Result<Vec<Listed>, AdminError> {
        let page = self.store.on_hub(hub, after, limit)?;
        if page.is_empty() && after.is_none() && self.hubs.load().named(hub).is_none() {
            return Err(AdminError::Unknown(format!("there is no hub {hub}")));
        }
        let listed = |(position, id)| {
            let view = self.registration_view(&id)?;
            Ok(Listed { position, id, view })
        };
        page.into_iter().map(listed).collect()
    }
}
