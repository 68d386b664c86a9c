//! A batch of changes inside one transaction: each is judged against what the ones before it left, then written with its indexes and counts.

mod counts;
mod device;
mod journal;
mod messages;
mod outcome;
mod placement;
mod port;
mod records;
mod registration;

use std::collections::{BTreeMap, HashSet};

use firsthop_protocol::HubName;
use firsthop_protocol::body::EnrollmentName;
use redb::{Table, WriteTransaction};

use super::change::{Change, SettingsRequest};
use super::fault::Fault;
use super::names::{Names, Naming};
use super::row::Certificate;
use super::tables::{self, Sequence};
use crate::domain::hub_device::Identity;
use outcome::settle;

/// A batch applied to its transaction, not yet committed.
pub(super) struct Applied<'a> {
    pub sequence: Sequence,
    /// Whether there is anything to commit.
    pub writes: bool,
    enrollments: Naming<'a, EnrollmentName>,
    hubs: Naming<'a, HubName>,
}

impl Applied<'_> {
    /// To be called once the batch is durable.
    pub fn committed(self) {
        self.enrollments.committed();
        self.hubs.committed();
    }
}

/// Judges and writes the changes, and leaves its verdict with each. An error fails all of them, and the transaction must not be committed.
pub(super) fn apply<'a>(
    transaction: &WriteTransaction,
    names: &'a Names,
    sequence: Sequence,
    changes: &mut [Change],
) -> Result<Applied<'a>, Fault> {
    let mut batch = Batch::new(transaction, names, sequence)?;
    let mut writes = false;
    for change in changes {
        writes |= match change {
            Change::Registration(asked) => settle(&mut asked.verdict, batch.registration(&asked.request))?,
            Change::Journal(asked) => settle(&mut asked.verdict, batch.journal(&asked.request))?,
            Change::Settings(asked) => settle(&mut asked.verdict, batch.settings(&asked.request).map_err(Into::into))?,
            Change::Hub(asked) => settle(&mut asked.verdict, batch.hub(&asked.request))?,
        };
    }
    let Batch { sequence, counts, enrollments, hubs, .. } = batch;
    if writes {
        counts.write(transaction)?;
        sequence.write(transaction)?;
    }
    Ok(Applied { sequence, writes, enrollments, hubs })
}

struct Batch<'t, 'a> {
    transaction: &'t WriteTransaction,
    names: &'a Names,
    ids: Table<'t, &'static str, u64>,
    registrations: Table<'t, u64, &'static [u8]>,
    devices: Table<'t, u64, &'static [u8]>,
    by_enrollment: Table<'t, (u32, u64), ()>,
    by_hub: Table<'t, (u32, u64), ()>,
    by_state: Table<'t, (u32, u64), ()>,
    hub_devices: Table<'t, u64, &'static [u8]>,
    aliases: Table<'t, (&'static str, u64), ()>,
    devices_by_hub: Table<'t, (u32, u64), ()>,
    traces: Table<'t, (u64, u64), ()>,
    twins: Table<'t, u64, &'static [u8]>,
    commands: Table<'t, (u64, u64), &'static [u8]>,
    events: Table<'t, (u64, u64), &'static [u8]>,
    totals: Table<'t, (u64, u8), (u64, u64)>,
    /// Certificates that were looked for.
    certificates: HashSet<Certificate>,
    counts: counts::Changes,
    sequence: Sequence,
    enrollments: Naming<'a, EnrollmentName>,
    hubs: Naming<'a, HubName>,
    row: Vec<u8>,
}

impl<'t, 'a> Batch<'t, 'a> {
    fn new(transaction: &'t WriteTransaction, names: &'a Names, sequence: Sequence) -> Result<Self, Fault> {
        Ok(Self {
            transaction,
            names,
            ids: transaction.open_table(tables::IDS)?,
            registrations: transaction.open_table(tables::REGISTRATIONS)?,
            devices: transaction.open_table(tables::DEVICES)?,
            by_enrollment: transaction.open_table(tables::BY_ENROLLMENT)?,
            by_hub: transaction.open_table(tables::BY_HUB)?,
            by_state: transaction.open_table(tables::BY_STATE)?,
            hub_devices: transaction.open_table(tables::HUB_DEVICES)?,
            aliases: transaction.open_table(tables::ALIASES)?,
            devices_by_hub: transaction.open_table(tables::DEVICES_BY_HUB)?,
            traces: transaction.open_table(tables::TRACES)?,
            twins: transaction.open_table(tables::TWINS)?,
            commands: transaction.open_table(tables::COMMANDS)?,
            events: transaction.open_table(tables::EVENTS)?,
            totals: transaction.open_table(tables::MESSAGE_TOTALS)?,
            certificates: HashSet::new(),
            counts: counts::Changes(BTreeMap::new()),
            sequence,
            enrollments: Naming::new(&names.enrollments),
            hubs: Naming::new(&names.hubs),
            row: Vec::with_capacity(256),
        })
    }

    fn next_revision(&mut self) -> u64 {
        self.sequence.revision += 1;
        self.sequence.revision
    }

    fn next_number(&mut self) -> u64 {
        let number = self.sequence.next_number;
        self.sequence.next_number += 1;
        number
    }

    fn store_certificates(&mut self, identity: &Identity) -> Result<(), Fault> {
        self.names.certificates.store(identity, &mut self.certificates, self.transaction)
    }

    fn settings(&mut self, request: &SettingsRequest) -> Result<(), Fault> {
        let mut settings = self.transaction.open_table(tables::HUB_SETTINGS)?;
        match &request.row {
            Some(row) => drop(settings.insert(request.hub.as_str(), &**row)?),
            None => drop(settings.remove(request.hub.as_str())?),
        }
        Ok(())
    }
}
