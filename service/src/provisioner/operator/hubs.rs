//! Hubs as operators see and drain them.

use std::sync::Arc;

use firsthop_protocol::HubName;
use futures_util::future::join_all;

use super::{AdminError, DeclaredHub, HubView};
use crate::domain::hub::Keeps;
use crate::domain::ports::HubSettings;
use crate::provisioner::Provisioner;

impl Provisioner {
    /// Every hub that is declared, or that devices are registered on.
    pub async fn hubs_overview(&self) -> Result<Vec<HubView>, AdminError> {
        let hubs = self.hubs.load_full();
        let counts = self.store.hub_counts()?;
        let count = |name: &HubName| counts.iter().find(|(hub, _)| hub == name).map_or(0, |(_, count)| *count);
        let mut names: Vec<HubName> = hubs.iter().map(|hub| hub.name.clone()).collect();
        names.extend(
            counts
                .iter()
                .filter(|(name, count)| *count > 0 && hubs.named(name).is_none())
                .map(|(name, _)| name.clone()),
        );
        let views = names.into_iter().map(|name| {
            let declared = hubs.named(&name);
            let port = self.moves.hub(&name).filter(|_| hubs.keeps(&name) != Keeps::Nothing);
            let view = HubView {
                declared: declared.map(|hub| DeclaredHub {
                    address: hub.to_string(),
                    kind: hub.kind.clone(),
                    weight: hub.weight,
                    labels: hub.labels.clone(),
                }),
                drained: declared.is_none_or(|hub| hub.drained),
                evacuation: self.evacuations.view(&name),
                registrations: count(&name),
                status: None,
                name,
            };
            async move {
                let status = match port {
                    Some(port) => Some(port.status().await),
                    None => None,
                };
                HubView { status, ..view }
            }
        });
        Ok(join_all(views).await)
    }

    /// A drained hub takes no new devices. Overrides the declaration, and outlives restarts.
    pub async fn set_drained(&self, hub: &HubName, drained: bool) -> Result<(), AdminError> {
        self.declared_hub(hub)?;
        if !drained && self.evacuations.view(hub).is_some() {
            return Err(AdminError::Conflict(format!("hub {hub} is being evacuated; end that first")));
        }
        self.change_hub_settings(hub, |settings| HubSettings { drained: Some(drained), ..settings }).await?;
        tracing::info!(%hub, drained, "set by an operator");
        Ok(())
    }

    /// Drains the hub and moves its devices away, so many each minute; `None` ends that, and the hub stays drained.
    pub async fn evacuate(self: &Arc<Self>, hub: &HubName, per_minute: Option<u32>) -> Result<(), AdminError> {
        let known = self.store.hub_counts()?.iter().any(|(name, _)| name == hub);
        if !known {
            self.declared_hub(hub)?;
        }
        if per_minute == Some(0) {
            return Err(AdminError::Conflict("a rate of 0 moves nothing; leave the rate out to end it".to_owned()));
        }
        let set = |settings| HubSettings { drained: Some(true), evacuation: per_minute, ..settings };
        self.change_hub_settings(hub, set).await?;
        match per_minute {
            Some(per_minute) => self.evacuations.begin(self, hub, per_minute),
            None => self.evacuations.end(hub),
        }
        Ok(())
    }

    fn declared_hub(&self, hub: &HubName) -> Result<(), AdminError> {
        let unknown = || AdminError::Unknown(format!("hub {hub} is not declared"));
        self.hubs.load().named(hub).map(|_| ()).ok_or_else(unknown)
    }
}
