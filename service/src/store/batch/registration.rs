//! A decision about a registration: its row, indexes and counts, its registry entry, and what it does on hubs and in the journal.

use firsthop_protocol::ETag;
use firsthop_protocol::body::EnrollmentName;
use redb::ReadableTable;

use super::Batch;
use super::outcome::{Outcome, read, refused};
use crate::domain::ports::CommitError;
use crate::domain::registration::{Registration, State};
use crate::store::change::RegistrationRequest;
use crate::store::fault::Fault;
use crate::store::row::{OWN_ENROLLMENT, RegistrationV2};
use crate::store::tables;

/// What of a registration is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Indexed {
    enrollment: u32,
    hub: Option<u32>,
    state: u32,
}

impl Indexed {
    fn of(row: &RegistrationV2<'_>) -> Self {
        let state = if row.is_failed() { tables::FAILED } else { tables::ASSIGNED };
        Self { enrollment: row.enrollment, hub: row.hub(), state }
    }
}

impl Batch<'_, '_> {
    /// All is judged before anything is written.
    pub(super) fn registration(&mut self, request: &RegistrationRequest) -> Outcome<ETag, CommitError> {
        let registration = &request.registration;
        let number = self.ids.get(registration.id.as_str())?.map(|number| number.value());
        let old = read(number.map_or(Ok(None), |number| self.stored(number)))?;
        let current = old.map(|(_, revision)| ETag::new(revision));
        if current != request.expected {
            return refused(CommitError::Conflict { current });
        }
        if let Some(journal) = &request.journal {
            self.judge_journal(journal, current)?;
        }
        let plan =
            request.placement.as_ref().map(|placement| self.plan(number, registration, placement)).transpose()?;

        let number = match number {
            Some(number) => number,
            None => {
                let number = self.next_number();
                self.ids.insert(registration.id.as_str(), number)?;
                number
            }
        };
        let revision = self.next_revision();
        let (enrollment, hub) = self.numbers(registration)?;
        let stored = RegistrationV2::new(registration, request.payload.as_deref(), revision, enrollment, hub);
        let new = Indexed::of(&stored);
        stored.encode(&mut self.row).map_err(|error| Fault::row("registrations", number, &error))?;
        self.registrations.insert(number, &*self.row)?;
        if let Some(device) = &request.device {
            self.devices.insert(number, &**device)?;
        }
        self.index(number, old.map(|(indexed, _)| indexed), new)?;
        if let (Some(placement), Some(plan)) = (&request.placement, &plan) {
            self.place(number, placement, plan)?;
        }
        if let Some(journal) = &request.journal {
            self.write_journal(journal)?;
        }
        Ok(ETag::new(revision))
    }

    /// The numbers of the names of a registration's enrollment and hub; new names are written.
    pub(super) fn numbers(&mut self, registration: &Registration) -> Result<(u32, u32), Fault> {
        let enrollment = match &registration.enrollment {
            EnrollmentName::Individual(id) if *id == registration.id => OWN_ENROLLMENT,
            name => self.enrollments.number(name, self.transaction)?,
        };
        let hub = match &registration.state {
            State::Assigned { hub, .. } => self.hubs.number(hub, self.transaction)?,
            State::Failed { .. } => 0,
        };
        Ok((enrollment, hub))
    }

    /// `None`: the number is that of a device on a hub whose registration is kept elsewhere.
    fn stored(&self, number: u64) -> Result<Option<(Indexed, u64)>, Fault> {
        let Some(guard) = self.registrations.get(number)? else { return Ok(None) };
        let row = RegistrationV2::decode(guard.value()).map_err(|error| Fault::row("registrations", number, &error))?;
        Ok(Some((Indexed::of(&row), row.revision)))
    }

    /// The etag of the registration with that id.
    pub(super) fn etag(&self, id: &str) -> Result<Option<ETag>, Fault> {
        let number = self.ids.get(id)?.map(|number| number.value());
        let stored = number.map_or(Ok(None), |number| self.stored(number))?;
        Ok(stored.map(|(_, revision)| ETag::new(revision)))
    }

    fn index(&mut self, number: u64, old: Option<Indexed>, new: Indexed) -> Result<(), Fault> {
        let Self { by_enrollment, by_hub, by_state, counts, .. } = self;
        if old.is_none() {
            counts.add(tables::COUNT_ALL, 1);
        }
        let indexes = [
            (by_enrollment, tables::COUNT_ENROLLMENT, old.map(|old| old.enrollment), Some(new.enrollment)),
            (by_hub, tables::COUNT_HUB, old.and_then(|old| old.hub), new.hub),
            (by_state, tables::COUNT_STATE, old.map(|old| old.state), Some(new.state)),
        ];
        for (index, kind, old, new) in indexes {
            if old == new {
                continue;
            }
            if let Some(old) = old {
                index.remove((old, number))?;
                counts.add((kind, old), -1);
            }
            if let Some(new) = new {
                index.insert((new, number), ())?;
                counts.add((kind, new), 1);
            }
        }
        Ok(())
    }
}
