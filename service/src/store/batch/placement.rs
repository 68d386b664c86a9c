//! What a decision about a registration does on the hubs of this store.

use firsthop_protocol::{OperationId, RegistrationId, Timestamp};

use super::Batch;
use super::messages::Kind;
use super::outcome::{Not, Outcome, of_reading, read, refused};
use super::records::Record;
use crate::domain::hub_device::Identity;
use crate::domain::ports::{CommitError, HubWriteError, StoreError};
use crate::domain::registration::Registration;
use crate::store::change::{Place, Placement};
use crate::store::fault::Fault;
use crate::store::row::{HubDeviceV1, IdentityV1, Operation, StandingV1, StateV1, TwinRow};

/// A placement that can be made.
pub(super) struct Plan {
    /// What the device is now.
    old: Option<Record>,
    /// The trace of another device under the device id, which makes room.
    evicted: Option<Record>,
}

impl Batch<'_, '_> {
    /// Judges a placement; nothing is written. `number` is that of the registration, when it has one already.
    pub(super) fn plan(
        &self,
        number: Option<u64>,
        registration: &Registration,
        placement: &Placement,
    ) -> Outcome<Plan, CommitError> {
        let old = read(number.map_or(Ok(None), |number| self.record(number)))?;
        let busy = old.as_ref().and_then(|old| old.row().standing.busy());
        if let Some(operation) = busy.map(OperationId::from_bytes)
            && operation != registration.operation
        {
            return refused(CommitError::Busy(operation));
        }
        let evicted = match placement {
            Placement::Assign(place) | Placement::Carry(place) => {
                self.make_room(self.hubs.known(&place.hub), &place.identity, number).map_err(|taken| {
                    let (hub, device) = (place.hub.clone(), place.identity.device_id.clone());
                    taken.refusing(|holder| CommitError::Taken { hub, device, holder })
                })?
            }
            Placement::Leave { .. } => None,
        };
        Ok(Plan { old, evicted })
    }

    /// Makes a placement.
    pub(super) fn place(&mut self, number: u64, placement: &Placement, plan: &Plan) -> Result<(), Fault> {
        if let Some(evicted) = &plan.evicted {
            self.forget(evicted)?;
        }
        let old = plan.old.as_ref().map(Record::row);
        match (placement, &old) {
            (Placement::Leave { to, at }, Some(old)) => {
                self.leave(number, old, None, to.as_deref(), *at)?;
            }
            (Placement::Leave { .. }, None) => {}
            (Placement::Carry(place), Some(old)) if old.standing.left().is_none() => {
                self.store_certificates(&place.identity)?;
                let new = HubDeviceV1 {
                    hub: self.hubs.number(&place.hub, self.transaction)?,
                    revision: self.next_revision(),
                    standing: StandingV1::Active { last: last(old) },
                    identity: IdentityV1::new(&place.identity),
                    ..old.clone()
                };
                self.put(number, Some(old), &new)?;
            }
            (Placement::Assign(place) | Placement::Carry(place), old) => {
                let standing = StandingV1::Active { last: old.as_ref().and_then(last) };
                self.install(number, old.as_ref(), place, standing, false)?;
            }
        }
        Ok(())
    }

    /// What of another device has to make room for this one on its hub: at most a trace.
    pub(super) fn make_room(
        &self,
        hub: Option<u32>,
        identity: &Identity,
        own: Option<u64>,
    ) -> Result<Option<Record>, NoRoom> {
        if self.alone(&identity.device_id, identity.registration_id.as_str())? {
            return Ok(None);
        }
        let Some(other) = self.other(hub, &identity.device_id, own)? else { return Ok(None) };
        let row = other.row();
        if row.standing.left().is_some() {
            return Ok(Some(other));
        }
        let holder = RegistrationId::parse(row.identity.registration_id).map_err(|error| {
            Fault::Damaged(format!("table hub_devices, key {}: registration id {error}", other.number))
        })?;
        Err(NoRoom::Taken(holder))
    }

    /// Gives a hub the device with a state, whatever the device was before. Subscriptions stay with the hub: they are the connection's,
    /// and clients do not repeat them.
    pub(super) fn install(
        &mut self,
        number: u64,
        old: Option<&HubDeviceV1<'_>>,
        place: &Place,
        standing: StandingV1<'_>,
        apart: bool,
    ) -> Result<u64, Fault> {
        let hub = self.hubs.number(&place.hub, self.transaction)?;
        let present = old.filter(|old| old.standing.left().is_none());
        if present.is_some() {
            self.clear(number)?;
        }
        let stays = present.filter(|old| old.hub == hub);
        self.store_certificates(&place.identity)?;
        let fresh_twin = self.write_state(number, &place.state)?;
        let new = HubDeviceV1 {
            hub,
            revision: self.next_revision(),
            created: stays.map_or(place.at.micros(), |old| old.created),
            standing,
            fresh_twin,
            apart,
            identity: IdentityV1::new(&place.identity),
            subscriptions: stays.map_or_else(Vec::new, |old| old.subscriptions.clone()),
        };
        self.put(number, old, &new)?;
        Ok(new.revision)
    }

    /// Leaves a trace of the device, with its credential, so that only who proves to be it is told where it went.
    pub(super) fn leave(
        &mut self,
        number: u64,
        old: &HubDeviceV1<'_>,
        operation: Option<Operation>,
        to: Option<&str>,
        at: Timestamp,
    ) -> Result<u64, Fault> {
        if old.standing.left().is_none() {
            self.clear(number)?;
        }
        let trace = HubDeviceV1 {
            revision: self.next_revision(),
            standing: StandingV1::Moved { last: operation.or(last(old)), at: at.micros(), to },
            fresh_twin: None,
            subscriptions: Vec::new(),
            ..old.clone()
        };
        self.put(number, Some(old), &trace)?;
        self.prune(at.micros())?;
        Ok(trace.revision)
    }

    fn clear(&mut self, number: u64) -> Result<(), Fault> {
        self.twins.remove(number)?;
        self.drop_messages(number)
    }

    /// Writes a state where there is none; gives the time of a twin that needs no row.
    fn write_state(&mut self, number: u64, state: &StateV1) -> Result<Option<u64>, Fault> {
        for (kind, messages) in [(Kind::Command, &state.queue), (Kind::Event, &state.events)] {
            for message in messages {
                self.append(number, kind, message)?;
            }
        }
        match &state.twin {
            TwinRow::Fresh(made) => Ok(Some(*made)),
            TwinRow::Row(row) => {
                self.twins.insert(number, &**row)?;
                Ok(None)
            }
        }
    }
}

/// Why a device finds no room on a hub.
pub(super) enum NoRoom {
    /// Another registration's device has its device id there.
    Taken(RegistrationId),
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for NoRoom {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl NoRoom {
    fn refusing<E: From<StoreError>>(self, taken: impl FnOnce(RegistrationId) -> E) -> Not<E> {
        match self {
            Self::Taken(holder) => Not::Refused(taken(holder)),
            Self::Fault(fault) => of_reading(fault),
        }
    }
}

impl From<NoRoom> for Not<HubWriteError> {
    fn from(no_room: NoRoom) -> Self {
        no_room.refusing(HubWriteError::Taken)
    }
}

fn last(row: &HubDeviceV1<'_>) -> Option<Operation> {
    match row.standing {
        StandingV1::Active { last } | StandingV1::Moved { last, .. } => last,
        StandingV1::Held(operation) | StandingV1::Fenced(operation) => Some(operation),
    }
}
