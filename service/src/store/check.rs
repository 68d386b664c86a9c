//! A walk through the whole store that compares every row with its indexes, names and counts. For operators and tests, not for service: the
//! transaction lasts as long as the walk.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::fault::Fault;
use super::redb::RedbStore;
use super::row::{self, RegistrationV1};
use super::{missing_row, tables};
use crate::domain::ports::StoreError;

/// What a check that found nothing wrong has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub registrations: u64,
    pub devices: u64,
}

impl RedbStore {
    /// Checks the whole store, or says what is wrong first.
    pub fn check(&self) -> Result<Report, StoreError> {
        self.read(|transaction| {
            let expected = self.check_rows(transaction)?;
            check_counts(transaction, &expected)?;
            Ok(Report { registrations: expected.rows, devices: check_devices(transaction)? })
        })
    }

    fn check_rows(&self, transaction: &ReadTransaction) -> Result<Expected, Fault> {
        let sequence =
            tables::sequence(transaction).map_err(|error| Fault::Damaged(format!("table meta: {error:?}")))?;
        let ids = transaction.open_table(tables::IDS)?;
        let by_enrollment = transaction.open_table(tables::BY_ENROLLMENT)?;
        let by_hub = transaction.open_table(tables::BY_HUB)?;
        let by_state = transaction.open_table(tables::BY_STATE)?;
        let mut expected = Expected::default();
        for entry in transaction.open_table(tables::REGISTRATIONS)?.iter()? {
            let (number, bytes) = entry?;
            let number = number.value();
            let row =
                RegistrationV1::decode(bytes.value()).map_err(|error| Fault::row("registrations", number, &error))?;
            let wrong =
                |what: &str| Err(Fault::Damaged(format!("table registrations, key {number} ({}): {what}", row.id)));
            self.registered(number, bytes.value(), transaction)?;
            if number >= sequence.next_number || row.revision > sequence.revision {
                return wrong("its number or its revision was not given out");
            }
            if ids.get(row.id)?.map(|number| number.value()) != Some(number) {
                return wrong("its id leads elsewhere");
            }
            let state = if row.is_failed() { tables::FAILED } else { tables::ASSIGNED };
            if by_enrollment.get((row.enrollment, number))?.is_none() || by_state.get((state, number))?.is_none() {
                return wrong("not indexed by its enrollment and its state");
            }
            expected.count(tables::COUNT_ENROLLMENT, row.enrollment);
            expected.count(tables::COUNT_STATE, state);
            if let Some(hub) = row.hub() {
                if by_hub.get((hub, number))?.is_none() {
                    return wrong("not indexed by its hub");
                }
                expected.count(tables::COUNT_HUB, hub);
                expected.assigned += 1;
            }
            expected.rows += 1;
        }
        // Every row has its entries, so an entry too many shows in the lengths.
        let lengths = [
            ("registration_numbers", ids.len()?, expected.rows),
            ("registrations_by_enrollment", by_enrollment.len()?, expected.rows),
            ("registrations_by_state", by_state.len()?, expected.rows),
            ("registrations_by_hub", by_hub.len()?, expected.assigned),
        ];
        match lengths.iter().find(|(_, found, expected)| found != expected) {
            Some((table, found, expected)) => {
                Err(Fault::Damaged(format!("table {table}: {found} entries where there should be {expected}")))
            }
            None => Ok(expected),
        }
    }
}

#[derive(Default)]
struct Expected {
    rows: u64,
    assigned: u64,
    counts: BTreeMap<(u8, u32), u64>,
}

impl Expected {
    fn count(&mut self, kind: u8, value: u32) {
        *self.counts.entry((kind, value)).or_default() += 1;
    }
}

fn check_counts(transaction: &ReadTransaction, expected: &Expected) -> Result<(), Fault> {
    let mut counts = expected.counts.clone();
    if expected.rows > 0 {
        counts.insert(tables::COUNT_ALL, expected.rows);
    }
    for entry in transaction.open_table(tables::COUNTS)?.iter()? {
        let (key, count) = entry?;
        let (key, count) = (key.value(), count.value());
        let rows = counts.remove(&key).unwrap_or(0);
        if rows != count {
            return Err(Fault::Damaged(format!(
                "table registration_counts, key {key:?}: {count} where there are {rows}"
            )));
        }
    }
    match counts.first_key_value() {
        Some((key, rows)) => {
            Err(Fault::Damaged(format!("table registration_counts, key {key:?}: missing where there are {rows}")))
        }
        None => Ok(()),
    }
}

fn check_devices(transaction: &ReadTransaction) -> Result<u64, Fault> {
    let registrations = transaction.open_table(tables::REGISTRATIONS)?;
    let mut devices = 0;
    for entry in transaction.open_table(tables::DEVICES)?.iter()? {
        let (number, bytes) = entry?;
        let number = number.value();
        row::decode_device(bytes.value()).map_err(|error| Fault::row("devices", number, &error))?;
        if registrations.get(number)?.is_none() {
            return Err(missing_row(number));
        }
        devices += 1;
    }
    Ok(devices)
}
