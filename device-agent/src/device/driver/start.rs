//! A device begins: what it knows is read from its files, and its task is started.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Driver;
use crate::device::attempt::Means;
use crate::device::config::asked_with;
use crate::device::forward::Suspect;
use crate::device::handle::{Handle, MAX_REQUESTS, StartError};
use crate::device::identity::Identity;
use crate::device::keeping::Keeping;
use crate::device::snapshot::Snapshot;
use crate::device::{Device, DeviceConfig};
use crate::disk::Disk;
use crate::flow::Machine;
use crate::twin::Twin;

/// Most updates that wait for the owner to read them.
const MAX_UPDATES: usize = 64;
/// Most method calls and messages that wait for the owner's answer.
const MAX_ANSWERS: usize = 128;

/// Starts a device on the runtime of the caller.
pub(in super::super) fn start(config: DeviceConfig) -> Result<Device, StartError> {
    let identity = Arc::new(Identity::load(config.credentials.clone())?);
    let credentials = identity.credentials();
    let (disk, recovered) = Disk::start_for(&config.state, config.outbox, credentials.registration_id())?;
    for warning in &recovered.warnings {
        tracing::warn!("{warning}");
    }
    let asked_with = asked_with(&config, &credentials);
    let now = Instant::now();
    let machine =
        Machine::new(config.policy.clone(), recovered.known, asked_with.clone(), fastrand::u64(..), now.into_std());
    let twin = Twin::new(recovered.twin);

    let (requests_in, requests) = mpsc::channel(MAX_REQUESTS);
    let (updates, updates_out) = mpsc::channel(MAX_UPDATES);
    let (answers_in, answers) = mpsc::channel(MAX_ANSWERS);
    let desired = watch::Sender::new(twin.desired().cloned().map(Arc::new));
    let snapshot = watch::Sender::new(Arc::new(Snapshot {
        view: machine.view(),
        registration_id: None,
        certificate: None,
        unacknowledged_report: twin.is_unacknowledged(),
        notes: VecDeque::new(),
    }));
    let handle = Handle {
        requests: requests_in,
        snapshot: snapshot.subscribe(),
        desired: desired.subscribe(),
        disk: disk.clone(),
    };
    let driver = Driver {
        means: Arc::new(Means { config, identity, asked_with }),
        machine,
        keeping: Keeping::new(disk.clone()),
        disk,
        twin,
        requests,
        updates,
        unread_desired: None,
        answers,
        answers_in,
        snapshot,
        desired,
        attempt: None,
        on_hub: None,
        loading: None,
        connections: 0,
        suspect: Suspect::default(),
        messages_wanted: false,
        look_at_certificate: now,
        looking: None,
        notes: VecDeque::new(),
        changed: true,
    };
    Ok(Device { updates: updates_out, handle, task: tokio::spawn(driver.run()) })
}
