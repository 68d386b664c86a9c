//! The way to every hub that keeps devices, those included that are not declared any more: their devices are fetched from there at their
//! next registration.

use std::collections::{BTreeMap, BTreeSet};
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
    let mut settings: BTreeMap<HubName, HubSettings> = store.hub_settings()?.into_iter().collect();
    give_up(linked, embedded, &mut settings, store).await?;
    refuse_other_place(linked, embedded, &settings, store)?;
    for hub in linked.iter() {
        match (&hub.kind, client) {
            (HubKind::Embedded(_), _) => {
                ports.insert(hub.name.clone(), embedded.named(&hub.name));
                remember(&hub.name, None, settings.get(&hub.name), store).await?;
            }
            (HubKind::Remote { url }, Some(client)) => {
                ports.insert(hub.name.clone(), RemoteHub::new(hub.name.clone(), url, client)?);
                remember(&hub.name, Some(url), settings.get(&hub.name), store).await?;
            }
            (HubKind::Remote { .. } | HubKind::External, _) => {}
        }
    }
    let concerned = of_moves(store)?;
    let mut devices: BTreeMap<HubName, u64> = concerned.into_iter().map(|hub| (hub, 0)).collect();
    devices.extend(store.hub_counts()?.into_iter().filter(|(_, devices)| *devices > 0));
    for (name, devices) in devices {
        if linked.named(&name).is_some() {
            continue;
        }
        let url = settings.get(&name).and_then(|settings| settings.remote.as_deref());
        let port: Option<Arc<dyn Hub>> = match (url, client) {
            (None, _) => Some(embedded.named(&name)),
            (Some(url), Some(client)) => Some(RemoteHub::new(name.clone(), url, client)?),
            (Some(_), None) => None,
        };
        if linked.is_lost(&name) {
            tracing::warn!(hub = %name, devices, "a hub is lost; each of its devices gets its initial state at its next registration");
        } else {
            tracing::warn!(hub = %name, devices, at = url.unwrap_or("this store"), reachable = port.is_some(),
                "a hub that is not declared has devices; each is assigned anew at its next registration");
        }
        ports.extend(port.map(|port| (name, port)));
    }
    Ok(ports)
}

/// Forgets where hubs were that will not come back, so that nobody waits for them.
async fn give_up(
    linked: &Linked,
    embedded: &Hubs,
    settings: &mut BTreeMap<HubName, HubSettings>,
    store: &dyn Store,
) -> Result<(), StartError> {
    for hub in linked.lost() {
        if embedded.has_devices(hub)? {
            return Err(StartError::NotLost { hub: hub.clone() });
        }
        remember(hub, None, settings.get(hub), store).await?;
        if let Some(settings) = settings.get_mut(hub) {
            settings.remote = None;
        }
    }
    Ok(())
}

const HERE: &str = "a hub of this process";
const AFAR: &str = "a hub on another machine";

/// A hub that changed its place under its name would lose what its devices have at the old one: nothing leads there any more.
fn refuse_other_place(
    linked: &Linked,
    embedded: &Hubs,
    settings: &BTreeMap<HubName, HubSettings>,
    store: &dyn Store,
) -> Result<(), StartError> {
    for (hub, registrations) in store.hub_counts()?.into_iter().filter(|(_, registrations)| *registrations > 0) {
        let was_remote = settings.get(&hub).is_some_and(|settings| settings.remote.is_some());
        let was = if was_remote { Some(AFAR) } else { embedded.has_devices(&hub)?.then_some(HERE) };
        let is = linked.named(&hub).map(|hub| match hub.kind {
            HubKind::Embedded(_) => HERE,
            HubKind::Remote { .. } => AFAR,
            HubKind::External => "an address only",
        });
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            return Err(StartError::OtherPlace { hub, registrations, was, is });
        }
    }
    Ok(())
}

/// Hubs that a move needs which is in the journal, although they may have no registrations: the first that comes, or the last that left.
fn of_moves(store: &dyn Store) -> Result<BTreeSet<HubName>, StartError> {
    const PAGE: usize = 256;
    let (mut hubs, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.transfers(after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|transfer| transfer.registration_id.clone());
        hubs.extend(page.into_iter().flat_map(|transfer| transfer.from.into_iter().chain([transfer.to])));
        if last {
            return Ok(hubs);
        }
    }
}

/// Keeps where a hub is, for the day on which it is not declared any more. `None`: here.
async fn remember(
    hub: &HubName,
    url: Option<&str>,
    before: Option<&HubSettings>,
    store: &dyn Store,
) -> Result<(), StartError> {
    let before = before.cloned().unwrap_or_default();
    if before.remote.as_deref() == url {
        return Ok(());
    }
    let settings = HubSettings { remote: url.map(str::to_owned), ..before };
    Ok(store.set_hub_settings(hub, settings).await?)
}
