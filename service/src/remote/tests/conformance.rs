//! A hub behind the network does all that it does behind its port.

use tokio_util::sync::CancellationToken;

use super::{CLIENT, World};
use crate::hub::tests::World as HubWorld;
use crate::hub::tests::conformance::{Rig, hub_conformance};
use crate::remote::{RemoteHub, serve};

async fn rig() -> Rig {
    let (files, world) = (World::new(), HubWorld::new());
    let (address, _) = serve(&files.server(), vec![world.hub.clone()], CancellationToken::new()).unwrap();
    let client = files.client(CLIENT);
    let port = RemoteHub::new(world.hub.name().clone(), &format!("https://{address}"), &client).unwrap();
    Rig { port, hub: world.hub.clone(), _kept: Box::new((files, world)) }
}

hub_conformance!(rig);
