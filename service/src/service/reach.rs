//! The way to every hub that keeps devices, those included that are not declared any more: their devices are fetched from there at their
//! next registration.

use std::collections::BTreeMap;
use std::sync::Arc;

use firsthop_protocol::HubName;

use super::StartError;
use super::hubs::Hubs;
use crate::domain::hub::{HubKind, Hubs as Linked};
use crate::domain::ports::{Hub, HubSettings, Store};
use crate::remote::{ClientConfig, RemoteHub};

pub async fn hubs(
    linked: &Linked,
    embedded: &Hubs,
    client: Option<&ClientConfig>,
    store: &dyn Store,
) -> Result<BTreeMap<HubName, Arc<dyn Hub>>, StartError> {
    let mut ports: BTreeMap<HubName, Arc<dyn Hub>> = BTreeMap::new();
    let settings: BTreeMap<HubName, HubSettings> = store.hub_settings()?.into_iter().collect();
    for hub in linked.iter() {
        match (&hub.kind, client) {
            (HubKind::Embedded(_), _) => {
                ports.insert(hub.name.clone(), embedded.named(&hub.name));
            }
            (HubKind::Remote { url }, Some(client)) => {
                ports.insert(hub.name.clone(), RemoteHub::new(hub.name.clone(), url, client)?);
                remember(&hub.name, url, settings.get(&hub.name), store).await?;
            }
            (HubKind::Remote { .. } | HubKind::External, _) => {}
        }
    }
    for (name, devices) in store.hub_counts()? {
        if devices == 0 || linked.named(&name).is_some() {
            continue;
        }
        let url = settings.get(&name).and_then(|settings| settings.remote.as_deref());
        let port: Option<Arc<dyn Hub>> = match (url, client) {
            (None, _) => Some(embedded.named(&name)),
            (Some(url), Some(client)) => Some(RemoteHub::new(name.clone(), url, client)?),
            (Some(_), None) => None,
        };
        tracing::warn!(hub = %name, devices, at = url.unwrap_or("this store"), reachable = port.is_some(),
            "a hub that is not declared has devices; each is assigned anew at its next registration");
        ports.extend(port.map(|port| (name, port)));
    }
    Ok(ports)
}

/// Keeps where a hub is, for the day on which it is not declared any more.
async fn remember(hub: &HubName, url: &str, before: Option<&HubSettings>, store: &dyn Store) -> Result<(), StartError> {
    let before = before.cloned().unwrap_or_default();
    if before.remote.as_deref() == Some(url) {
        return Ok(());
    }
    let settings = HubSettings { remote: Some(url.to_owned()), ..before };
    Ok(store.set_hub_settings(hub, settings).await?)
}
