//! A batch of decisions inside one transaction: each is judged by its etag against what the ones before it left, then written with its
//! indexes and counts.

use std::collections::BTreeMap;

use firsthop_protocol::ETag;
use firsthop_protocol::body::EnrollmentName;
use redb::{ReadableTable, Table, WriteTransaction};

use super::fault::Fault;
use super::names::{Names, Naming};
use super::row::{self, RegistrationV1};
use super::tables::{self, Sequence};
use crate::domain::ports::{CommitError, Decision};
use crate::domain::registration::{Registration, State};

/// What became of one decision, if the batch is committed.
pub(super) type Verdict = Result<ETag, CommitError>;

/// A decision and the row of its registry entry, encoded by who asked so that the writer need not.
#[derive(Debug)]
pub(super) struct Request {
    pub registration: Registration,
    pub expected: Option<ETag>,
    pub device: Option<Vec<u8>>,
}

impl Request {
    pub fn new(decision: Decision) -> Result<Self, Fault> {
        let Decision { registration, expected, device } = decision;
        let device = device.map(|device| row::encode_device(&device)).transpose().map_err(|error| {
            Fault::Damaged(format!("the registry entry of {} cannot be stored: {error}", registration.id))
        })?;
        Ok(Self { registration, expected, device })
    }
}

/// A batch applied to its transaction, not yet committed.
pub(super) struct Applied<'a> {
    pub verdicts: Vec<Verdict>,
    pub sequence: Sequence,
    enrollments: Naming<'a, EnrollmentName>,
    hubs: Naming<'a, firsthop_protocol::HubName>,
}

impl Applied<'_> {
    /// Whether there is anything to commit.
    pub fn writes(&self) -> bool {
        self.verdicts.iter().any(Result::is_ok)
    }

    /// To be called once the batch is durable.
    pub fn committed(self) {
        self.enrollments.committed();
        self.hubs.committed();
    }
}

/// Judges and writes the requests. An error fails all of them, and the transaction must not be committed.
pub(super) fn apply<'a>(
    transaction: &WriteTransaction,
    names: &'a Names,
    sequence: Sequence,
    requests: impl Iterator<Item = &'a Request>,
) -> Result<Applied<'a>, Fault> {
    let mut batch = Batch {
        transaction,
        ids: transaction.open_table(tables::IDS)?,
        registrations: transaction.open_table(tables::REGISTRATIONS)?,
        devices: transaction.open_table(tables::DEVICES)?,
        by_enrollment: transaction.open_table(tables::BY_ENROLLMENT)?,
        by_hub: transaction.open_table(tables::BY_HUB)?,
        by_state: transaction.open_table(tables::BY_STATE)?,
        counts: BTreeMap::new(),
        sequence,
        enrollments: Naming::new(&names.enrollments),
        hubs: Naming::new(&names.hubs),
        row: Vec::with_capacity(256),
    };
    let verdicts = requests.map(|request| batch.request(request)).collect::<Result<Vec<_>, _>>()?;
    let Batch { sequence, counts, enrollments, hubs, .. } = batch;
    let applied = Applied { verdicts, sequence, enrollments, hubs };
    if applied.writes() {
        write_counts(transaction, &counts)?;
        sequence.write(transaction)?;
    }
    Ok(applied)
}

struct Batch<'t, 'a> {
    transaction: &'t WriteTransaction,
    ids: Table<'t, &'static str, u64>,
    registrations: Table<'t, u64, &'static [u8]>,
    devices: Table<'t, u64, &'static [u8]>,
    by_enrollment: Table<'t, (u32, u64), ()>,
    by_hub: Table<'t, (u32, u64), ()>,
    by_state: Table<'t, (u32, u64), ()>,
    /// Changes of the counts.
    counts: BTreeMap<(u8, u32), i64>,
    sequence: Sequence,
    enrollments: Naming<'a, EnrollmentName>,
    hubs: Naming<'a, firsthop_protocol::HubName>,
    row: Vec<u8>,
}

/// What of a registration is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Indexed {
    enrollment: u32,
    hub: Option<u32>,
    state: u32,
}

impl Indexed {
    fn of(row: &RegistrationV1) -> Self {
        let state = if row.is_failed() { tables::FAILED } else { tables::ASSIGNED };
        Self { enrollment: row.enrollment, hub: row.hub(), state }
    }
}

impl Batch<'_, '_> {
    /// `Err` is for what fails the batch; a conflict or a row that cannot be read concerns this request alone, and leaves nothing written.
    fn request(&mut self, request: &Request) -> Result<Verdict, Fault> {
        let registration = &request.registration;
        let number = self.ids.get(registration.id.as_str())?.map(|number| number.value());
        let old = match number.map(|number| self.stored(number)).transpose() {
            Ok(old) => old,
            Err(fault @ Fault::Damaged(_)) => return Ok(Err(CommitError::Store((&fault).into()))),
            Err(fault) => return Err(fault),
        };
        let current = old.map(|(_, revision)| ETag::new(revision));
        if current != request.expected {
            return Ok(Err(CommitError::Conflict { current }));
        }

        let number = match number {
            Some(number) => number,
            None => {
                let number = self.sequence.next_number;
                self.sequence.next_number += 1;
                self.ids.insert(registration.id.as_str(), number)?;
                number
            }
        };
        self.sequence.revision += 1;
        let revision = self.sequence.revision;
        let enrollment = match &registration.enrollment {
            EnrollmentName::Individual(id) if *id == registration.id => row::OWN_ENROLLMENT,
            name => self.enrollments.number(name, self.transaction)?,
        };
        let hub = match &registration.state {
            State::Assigned { hub, .. } => self.hubs.number(hub, self.transaction)?,
            State::Failed { .. } => 0,
        };
        let stored = RegistrationV1::new(registration, revision, enrollment, hub);
        let new = Indexed::of(&stored);
        stored.encode(&mut self.row);
        self.registrations.insert(number, &*self.row)?;
        if let Some(device) = &request.device {
            self.devices.insert(number, &**device)?;
        }
        self.index(number, old.map(|(indexed, _)| indexed), new)?;
        Ok(Ok(ETag::new(revision)))
    }

    fn stored(&self, number: u64) -> Result<(Indexed, u64), Fault> {
        let guard = self.registrations.get(number)?.ok_or_else(|| super::missing_row(number))?;
        let row = RegistrationV1::decode(guard.value()).map_err(|error| Fault::row("registrations", number, &error))?;
        Ok((Indexed::of(&row), row.revision))
    }

    fn index(&mut self, number: u64, old: Option<Indexed>, new: Indexed) -> Result<(), Fault> {
        let Self { by_enrollment, by_hub, by_state, counts, .. } = self;
        if old.is_none() {
            *counts.entry(tables::COUNT_ALL).or_default() += 1;
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
                *counts.entry((kind, old)).or_default() -= 1;
            }
            if let Some(new) = new {
                index.insert((new, number), ())?;
                *counts.entry((kind, new)).or_default() += 1;
            }
        }
        Ok(())
    }
}

fn write_counts(transaction: &WriteTransaction, changes: &BTreeMap<(u8, u32), i64>) -> Result<(), Fault> {
    let mut counts = transaction.open_table(tables::COUNTS)?;
    for (key, change) in changes.iter().filter(|(_, change)| **change != 0) {
        let before = counts.get(key)?.map_or(0, |count| count.value());
        let after = before.checked_add_signed(*change).ok_or_else(|| {
            Fault::Damaged(format!("table registration_counts, key {key:?}: {before} cannot change by {change}"))
        })?;
        match after {
            0 => drop(counts.remove(key)?),
            after => drop(counts.insert(key, after)?),
        }
    }
    Ok(())
}
