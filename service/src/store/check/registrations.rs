//! Registrations, their indexes and the registry.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::{Expected, check_lengths, given_out};
use crate::store::fault::Fault;
use crate::store::redb::RedbStore;
use crate::store::row::{self, RegistrationV2};
use crate::store::tables::{self, Sequence};
use crate::store::{locate, missing_row};

impl RedbStore {
    pub(super) fn check_registrations(
        &self,
        transaction: &ReadTransaction,
        sequence: Sequence,
        expected: &mut Expected,
    ) -> Result<u64, Fault> {
        let ids = transaction.open_table(tables::IDS)?;
        let by_enrollment = transaction.open_table(tables::BY_ENROLLMENT)?;
        let by_hub = transaction.open_table(tables::BY_HUB)?;
        let by_state = transaction.open_table(tables::BY_STATE)?;
        let (mut rows, mut assigned) = (0, 0);
        for entry in transaction.open_table(tables::REGISTRATIONS)?.iter()? {
            let (number, bytes) = entry?;
            let number = number.value();
            let row =
                RegistrationV2::decode(bytes.value()).map_err(|error| Fault::row("registrations", number, &error))?;
            let wrong =
                |what: &str| Err(Fault::Damaged(format!("table registrations, key {number} ({}): {what}", row.id)));
            self.registered(number, bytes.value(), transaction)?;
            if !given_out(sequence, number, row.revision) {
                return wrong("its number or its revision was not given out");
            }
            if ids.get(row.id)?.map(|number| number.value()) != Some(number) {
                return wrong("its id leads elsewhere");
            }
            let state = if row.is_failed() { tables::FAILED } else { tables::ASSIGNED };
            if by_enrollment.get((row.enrollment, number))?.is_none() || by_state.get((state, number))?.is_none() {
                return wrong("not indexed by its enrollment and its state");
            }
            expected.count(tables::COUNT_ALL);
            expected.count((tables::COUNT_ENROLLMENT, row.enrollment));
            expected.count((tables::COUNT_STATE, state));
            if let Some(hub) = row.hub() {
                if by_hub.get((hub, number))?.is_none() {
                    return wrong("not indexed by its hub");
                }
                expected.count((tables::COUNT_HUB, hub));
                assigned += 1;
            }
            rows += 1;
        }
        check_ids(transaction)?;
        check_lengths(&[
            ("registrations_by_enrollment", by_enrollment.len()?, rows),
            ("registrations_by_state", by_state.len()?, rows),
            ("registrations_by_hub", by_hub.len()?, assigned),
        ])?;
        Ok(rows)
    }
}

/// Every id leads to a registration, or to a device on a hub whose registration is kept elsewhere.
fn check_ids(transaction: &ReadTransaction) -> Result<(), Fault> {
    let registrations = transaction.open_table(tables::REGISTRATIONS)?;
    let devices = transaction.open_table(tables::HUB_DEVICES)?;
    for entry in transaction.open_table(tables::IDS)?.iter()? {
        let (id, number) = entry?;
        let (id, number) = (id.value(), number.value());
        let leads = match registrations.get(number)? {
            Some(row) => {
                RegistrationV2::decode(row.value()).map_err(|error| Fault::row("registrations", number, &error))?.id
                    == id
            }
            None => match devices.get(number)? {
                Some(row) => {
                    let row = locate::decode(number, row.value())?;
                    !row.apart && row.identity.registration_id == id
                }
                None => false,
            },
        };
        if !leads {
            return Err(Fault::Damaged(format!(
                "table registration_numbers, key {id}: leads to {number}, not its own"
            )));
        }
    }
    Ok(())
}

pub(super) fn check_registry(transaction: &ReadTransaction) -> Result<u64, Fault> {
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
