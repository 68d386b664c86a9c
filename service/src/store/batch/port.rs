//! Operations of the hub port. Each is done once: repeated, it does nothing more. A row remembers the last operation that ended here, so
//! that a request which was long on its way cannot fence or provision a device that its own operation let in or removed since.
//!
//! ```text
//!              (none)        Active                  Held by it    Fenced by it    Moved
//! provision    held          held                    -             held            held
//! fence        not active    fenced                  -             -               not active
//! release      not active    active, remembered      active        active          not active
//! remove       -             -                       moved         moved           moved, anew
//! ```
//! Held or fenced by another operation, the device is busy; but provisioning takes the place of a device that was held and never let in.
//! A removal that does not say where to takes back what the operation gave, and leaves a trace as it is.

use firsthop_protocol::{OperationId, Timestamp};
use redb::ReadableTable;

use super::Batch;
use super::outcome::{Not, Outcome, read, refused};
use super::records::Record;
use crate::domain::hub_device::Identity;
use crate::domain::ports::HubWriteError;
use crate::store::change::{HubRequest, Place, PortChange};
use crate::store::fault::Fault;
use crate::store::row::{HubDeviceV1, IdentityV1, Operation, StandingV1};

/// What the removal of a device gives that is not there.
const NOTHING: u64 = 0;

type Done = Outcome<u64, HubWriteError>;

impl Batch<'_, '_> {
    pub(super) fn port(&mut self, request: &HubRequest, operation: Operation, change: &PortChange) -> Done {
        let hub = self.hubs.known(&request.hub);
        match change {
            PortChange::Provision(place) => self.provision(hub, operation, place),
            PortChange::Identity(identity) => {
                let found = self.of_registration(hub, &identity.registration_id);
                let record = free(read(found)?, operation)?.ok_or(NOT_ACTIVE)?;
                self.identify(hub, &record, identity)
            }
            PortChange::Fence(registration) => {
                let record = free(read(self.of_registration(hub, registration))?, operation)?.ok_or(NOT_ACTIVE)?;
                self.fence(&record, operation)
            }
            PortChange::Release(registration) => {
                let record = free(read(self.of_registration(hub, registration))?, operation)?.ok_or(NOT_ACTIVE)?;
                self.release(&record, operation)
            }
            PortChange::Remove { registration, to, at } => {
                match free(read(self.of_registration(hub, registration))?, operation)? {
                    Some(record) => self.remove(&record, operation, to.as_deref(), *at),
                    None => Ok(NOTHING),
                }
            }
        }
    }

    fn provision(&mut self, hub: Option<u32>, operation: Operation, place: &Place) -> Done {
        let id = &place.identity.registration_id;
        let here = read(self.of_registration(hub, id))?;
        if let Some(record) = &here {
            let HubDeviceV1 { standing, revision, .. } = record.row();
            match standing {
                StandingV1::Held(by) if by == operation => return Ok(revision),
                StandingV1::Active { last } if last == Some(operation) => return Ok(revision),
                StandingV1::Moved { last, .. } if last == Some(operation) => return refused(HubWriteError::Conflict),
                StandingV1::Fenced(by) if by != operation => return refused(busy(by)),
                _ => {}
            }
        }
        let evicted = self.make_room(hub, &place.identity, here.as_ref().map(|here| here.number))?;
        let number = self.ids.get(id.as_str())?.map(|number| number.value());
        let own = read(number.map_or(Ok(None), |number| self.record(number)))?;

        if let Some(evicted) = evicted {
            self.forget(&evicted)?;
        }
        let standing = StandingV1::Held(operation);
        Ok(match (here, number, own) {
            (Some(here), ..) => {
                let old = here.row();
                self.install(here.number, Some(&old), place, standing, old.apart)?
            }
            // Another hub of this store has the device still: it is about to leave there.
            (None, _, Some(elsewhere)) if elsewhere.row().standing.left().is_none() => {
                let number = self.next_number();
                self.install(number, None, place, standing, true)?
            }
            (None, Some(number), trace) => {
                let old = trace.as_ref().map(Record::row);
                self.install(number, old.as_ref(), place, standing, false)?
            }
            (None, None, _) => {
                let number = self.next_number();
                self.ids.insert(id.as_str(), number)?;
                self.install(number, None, place, standing, false)?
            }
        })
    }

    fn identify(&mut self, hub: Option<u32>, record: &Record, identity: &Identity) -> Done {
        let old = record.row();
        if old.standing.left().is_some() {
            return Err(NOT_ACTIVE);
        }
        let new = HubDeviceV1 { identity: IdentityV1::new(identity), ..old.clone() };
        if new == old {
            return Ok(old.revision);
        }
        let evicted = self.make_room(hub, identity, Some(record.number))?;
        if let Some(evicted) = evicted {
            self.forget(&evicted)?;
        }
        self.store_certificates(identity)?;
        let new = HubDeviceV1 { revision: self.next_revision(), ..new };
        self.put(record.number, Some(&old), &new)?;
        Ok(new.revision)
    }

    fn fence(&mut self, record: &Record, operation: Operation) -> Done {
        let row = record.row();
        match row.standing {
            // It would be fenced for ever: who would release it has done so.
            StandingV1::Active { last } if last == Some(operation) => refused(HubWriteError::Conflict),
            StandingV1::Active { .. } => Ok(self.stand(record, StandingV1::Fenced(operation))?),
            StandingV1::Held(_) | StandingV1::Fenced(_) => Ok(row.revision),
            StandingV1::Moved { .. } => Err(NOT_ACTIVE),
        }
    }

    fn release(&mut self, record: &Record, operation: Operation) -> Done {
        let row = record.row();
        match row.standing {
            StandingV1::Active { last } if last == Some(operation) => Ok(row.revision),
            StandingV1::Active { .. } | StandingV1::Held(_) | StandingV1::Fenced(_) => {
                Ok(self.stand(record, StandingV1::Active { last: Some(operation) })?)
            }
            StandingV1::Moved { .. } => Err(NOT_ACTIVE),
        }
    }

    fn remove(&mut self, record: &Record, operation: Operation, to: Option<&str>, at: Timestamp) -> Done {
        let row = record.row();
        match row.standing {
            // It let the device in, so it is not to take it away.
            StandingV1::Active { last } if last == Some(operation) && to.is_some() => refused(HubWriteError::Conflict),
            // A move fences what it takes away. This one was let in since: by the next move, which brought it back.
            StandingV1::Active { .. } => Ok(row.revision),
            StandingV1::Moved { .. } if to.is_none() => Ok(row.revision),
            StandingV1::Moved { last, .. } if last == Some(operation) => Ok(row.revision),
            _ => Ok(self.leave(record.number, &row, Some(operation), to, at)?),
        }
    }

    fn stand(&mut self, record: &Record, standing: StandingV1<'_>) -> Result<u64, Fault> {
        let old = record.row();
        let new = HubDeviceV1 { standing, revision: self.next_revision(), ..old.clone() };
        self.put(record.number, Some(&old), &new)?;
        Ok(new.revision)
    }
}

const NOT_ACTIVE: Not<HubWriteError> = Not::Refused(HubWriteError::NotActive);

fn busy(operation: Operation) -> HubWriteError {
    HubWriteError::Busy(OperationId::from_bytes(operation))
}

/// What no other operation holds or fences.
fn free(found: Option<Record>, operation: Operation) -> Outcome<Option<Record>, HubWriteError> {
    match found.as_ref().and_then(|record| record.row().standing.busy()) {
        Some(other) if other != operation => refused(busy(other)),
        _ => Ok(found),
    }
}
