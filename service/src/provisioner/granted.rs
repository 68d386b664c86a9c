//! A registration as its device is answered.

use std::collections::BTreeMap;

use firsthop_protocol::{ETag, HubName, OperationId};

use super::Provisioner;
use crate::domain::allocation::{AllocationPolicy, Choice};
use crate::domain::attestation::Proof;
use crate::domain::hub::{Hubs, Keeps};
use crate::domain::hub_device::Resources;
use crate::domain::registration::{Registration, State};
use crate::domain::transfer;

/// A registration as answered to its device.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    pub registration: Registration,
    pub etag: ETag,
    /// `host:port`; `None` where the device is on no hub.
    pub assigned_hub: Option<String>,
    /// What its hub allocated for the device (rule A5); `None` where the hub is an address only.
    pub resources: Option<Resources>,
    pub operation: OperationId,
    /// How far the move has come that the device has to wait for.
    pub moving: Option<transfer::Step>,
    /// Whether anything was written.
    pub changed: bool,
}

impl Granted {
    pub(super) fn new(
        registration: Registration,
        etag: ETag,
        operation: OperationId,
        changed: bool,
        hubs: &Hubs,
        proof: &Proof,
    ) -> Self {
        let hub = match &registration.state {
            State::Assigned { hub, .. } => hubs.named(hub),
            State::Failed { .. } => None,
        };
        let resources = hub.filter(|hub| hubs.keeps(&hub.name) != Keeps::Nothing).map(|_| proof.enrollment.resources);
        Self {
            assigned_hub: hub.map(ToString::to_string),
            resources,
            registration,
            etag,
            operation,
            moving: None,
            changed,
        }
    }

    /// The answer to a look-up while the device is moved.
    pub(super) fn moving(self, step: transfer::Step) -> Self {
        Self { assigned_hub: None, resources: None, moving: Some(step), ..self }
    }
}

impl Provisioner {
    /// The hubs that the device may be assigned to, with the addresses that it can measure (rule B5); none where its measurements do not
    /// count.
    pub fn candidates(&self, proof: &Proof) -> BTreeMap<HubName, String> {
        let (hubs, enrollment) = (self.hubs.load(), &proof.enrollment);
        if enrollment.allocation != AllocationPolicy::GeoLatency {
            return BTreeMap::new();
        }
        let stored = self.store.registration(&proof.id).ok().flatten();
        let current = stored.as_ref().and_then(|stored| match &stored.registration.state {
            State::Assigned { hub, .. } => Some(hub),
            State::Failed { .. } => None,
        });
        let choice = Choice { current, ..Choice::new(&proof.id, enrollment, &hubs) };
        let candidates = choice.candidates().unwrap_or_default();
        candidates.into_iter().map(|hub| (hub.name.clone(), hub.to_string())).collect()
    }
}
