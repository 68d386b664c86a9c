//! What the routes work with.

use std::collections::BTreeMap;
use std::sync::Arc;

use firsthop_protocol::{DeviceId, HubName};

use super::problem::Problem;
use crate::domain::ports::{Hub, HubError};
use crate::hub::EmbeddedHub;
use crate::provisioner::Provisioner;

/// The use cases, and the hubs of this process.
pub struct Desk {
    provisioner: Option<Arc<Provisioner>>,
    hubs: BTreeMap<HubName, Arc<dyn Hub>>,
}

impl Desk {
    pub fn new(provisioner: Option<Arc<Provisioner>>, hubs: Vec<Arc<EmbeddedHub>>) -> Self {
        let hubs = hubs.into_iter().map(|hub| (hub.name().clone(), hub as Arc<dyn Hub>)).collect();
        Self { provisioner, hubs }
    }

    /// For what only a process that provisions can do.
    pub fn provisioner(&self) -> Result<&Arc<Provisioner>, Problem> {
        let hubs_only = "this process has hubs only: ask the service that provisions them";
        self.provisioner.as_ref().ok_or_else(|| Problem::unknown(hubs_only))
    }

    /// The provisioner; `Err`: the hubs of a process that has hubs only.
    pub fn whole(&self) -> Result<&Arc<Provisioner>, &BTreeMap<HubName, Arc<dyn Hub>>> {
        self.provisioner.as_ref().ok_or(&self.hubs)
    }

    /// The hub that has the device, and the way to it.
    pub async fn home(&self, device: &DeviceId) -> Result<(HubName, Arc<dyn Hub>), Problem> {
        let hubs = match self.whole() {
            Ok(provisioner) => return Ok(provisioner.home(device)?),
            Err(hubs) => hubs,
        };
        for (name, hub) in hubs {
            match hub.device(device.clone()).await {
                Ok((found, _)) if found.standing.is_active() => return Ok((name.clone(), hub.clone())),
                Ok(_) | Err(HubError::NoDevice { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::unknown(format!("no hub of this process has device {device}")))
    }
}
