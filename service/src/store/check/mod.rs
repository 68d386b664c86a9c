//! A walk through the whole store that compares every row with its indexes, names and counts. For operators and tests, not for service: the
//! transaction lasts as long as the walk.

mod devices;
mod journal;
mod messages;
mod registrations;

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable};

use super::fault::Fault;
use super::format;
use super::redb::RedbStore;
use super::tables::{self, Sequence};
use crate::domain::ports::StoreError;

/// What a check that found nothing wrong has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub registrations: u64,
    /// In the registry.
    pub devices: u64,
    /// On hubs of this store; traces of those that left are not among them.
    pub hub_devices: u64,
    /// Moves under way.
    pub transfers: u64,
}

impl RedbStore {
    /// Checks the whole store, or says what is wrong first.
    pub fn check(&self) -> Result<Report, StoreError> {
        self.read(|transaction| {
            let sequence =
                format::sequence(transaction).map_err(|error| Fault::Damaged(format!("table meta: {error:?}")))?;
            let mut expected = Expected::default();
            let registrations = self.check_registrations(transaction, sequence, &mut expected)?;
            let hub_devices = self.check_devices(transaction, sequence, &mut expected)?;
            messages::check(transaction, sequence)?;
            expected.compare(transaction)?;
            Ok(Report {
                registrations,
                devices: registrations::check_registry(transaction)?,
                hub_devices,
                transfers: self.check_journal(transaction)?,
            })
        })
    }
}

/// The counts that there should be.
#[derive(Default)]
struct Expected(BTreeMap<(u8, u32), u64>);

impl Expected {
    fn count(&mut self, key: (u8, u32)) {
        *self.0.entry(key).or_default() += 1;
    }

    fn compare(mut self, transaction: &ReadTransaction) -> Result<(), Fault> {
        for entry in transaction.open_table(tables::COUNTS)?.iter()? {
            let (key, count) = entry?;
            let (key, count) = (key.value(), count.value());
            let rows = self.0.remove(&key).unwrap_or(0);
            if rows != count {
                return Err(Fault::Damaged(format!(
                    "table registration_counts, key {key:?}: {count} where there are {rows}"
                )));
            }
        }
        match self.0.first_key_value() {
            Some((key, rows)) => {
                Err(Fault::Damaged(format!("table registration_counts, key {key:?}: missing where there are {rows}")))
            }
            None => Ok(()),
        }
    }
}

/// Compares the lengths of tables with the numbers of their entries that were looked up: so an entry too many is seen.
fn check_lengths(lengths: &[(&str, u64, u64)]) -> Result<(), Fault> {
    match lengths.iter().find(|(_, found, expected)| found != expected) {
        Some((table, found, expected)) => {
            Err(Fault::Damaged(format!("table {table}: {found} entries where there should be {expected}")))
        }
        None => Ok(()),
    }
}

/// Whether number and revision were given out.
fn given_out(sequence: Sequence, number: u64, revision: u64) -> bool {
    number < sequence.next_number && revision <= sequence.revision
}
