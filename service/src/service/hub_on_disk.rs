//! A hub over the store on disk is held to what every hub has to do.

use std::sync::Arc;

use crate::hub::tests::conformance::{Rig, hub_conformance};
use crate::hub::tests::{FakeClock, hub};
use crate::store::{Config, RedbStore};

async fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path().join("store"), &Config::default()).unwrap();
    let hub = hub("lisbon", Arc::new(store), Arc::new(FakeClock::default()));
    Rig { port: hub.clone(), hub, _kept: Box::new(folder) }
}

hub_conformance!(rig);
