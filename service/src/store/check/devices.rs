//! Devices on hubs, their indexes, aliases, twins and certificates.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::{Expected, check_lengths, given_out};
use crate::store::fault::Fault;
use crate::store::hubs::missing_device;
use crate::store::locate::{aliases, decode, on_hub};
use crate::store::redb::RedbStore;
use crate::store::row::{self, Certificate};
use crate::store::tables::{self, Sequence};

impl RedbStore {
    pub(super) fn check_devices(
        &self,
        transaction: &ReadTransaction,
        sequence: Sequence,
        expected: &mut Expected,
    ) -> Result<u64, Fault> {
        let ids = transaction.open_table(tables::IDS)?;
        let by_hub = transaction.open_table(tables::DEVICES_BY_HUB)?;
        let traces = transaction.open_table(tables::TRACES)?;
        let alias_table = transaction.open_table(tables::ALIASES)?;
        let twins = transaction.open_table(tables::TWINS)?;
        let (mut present, mut left, mut aliased, mut with_twin) = (0, 0, 0, 0);
        let mut seen: HashSet<(u32, String)> = HashSet::new();
        for entry in transaction.open_table(tables::HUB_DEVICES)?.iter()? {
            let (number, bytes) = entry?;
            let number = number.value();
            let row = decode(number, bytes.value())?;
            let device = row.identity.device_id();
            let wrong = |what: &str| Err(Fault::Damaged(format!("table hub_devices, key {number} ({device}): {what}")));
            self.device_of(number, &row, transaction)?;
            self.names().hubs.name(row.hub, transaction)?;
            if !given_out(sequence, number, row.revision) {
                return wrong("its number or its revision was not given out");
            }
            if !row.apart && ids.get(row.identity.registration_id)?.map(|number| number.value()) != Some(number) {
                return wrong("its registration id leads elsewhere");
            }
            for alias in aliases(&row).into_iter().flatten() {
                if alias_table.get((alias, number))?.is_none() {
                    return wrong("an alias of it is missing");
                }
                aliased += 1;
            }
            if !seen.insert((row.hub, device.to_owned())) {
                return wrong("its hub has its device id twice");
            }
            let twin = twins.get(number)?.is_some();
            with_twin += u64::from(twin);
            match (on_hub(&row), row.standing.left()) {
                (Some(hub), _) => {
                    if by_hub.get((hub, number))?.is_none() {
                        return wrong("not indexed by its hub");
                    }
                    if !twin && row.fresh_twin.is_none() {
                        return wrong("it has no twin");
                    }
                    expected.count((tables::COUNT_HUB_DEVICES, hub));
                    present += 1;
                }
                (None, at) => {
                    if traces.get((at.unwrap_or_default(), number))?.is_none() {
                        return wrong("it left, and is not among the traces");
                    }
                    if twin || row.fresh_twin.is_some() {
                        return wrong("it left, and has a twin");
                    }
                    left += 1;
                }
            }
        }
        check_lengths(&[
            ("hub_devices_by_hub", by_hub.len()?, present),
            ("hub_device_traces", traces.len()?, left),
            ("hub_device_aliases", alias_table.len()?, aliased),
            ("twins", twins.len()?, with_twin),
        ])?;
        check_twins(transaction)?;
        check_certificates(transaction)?;
        Ok(present)
    }
}

fn check_twins(transaction: &ReadTransaction) -> Result<(), Fault> {
    for entry in transaction.open_table(tables::TWINS)?.iter()? {
        let (number, bytes) = entry?;
        row::decode_twin(bytes.value()).map_err(|error| Fault::row("twins", number.value(), &error))?;
    }
    Ok(())
}

fn check_certificates(transaction: &ReadTransaction) -> Result<(), Fault> {
    for entry in transaction.open_table(tables::CERTIFICATES)?.iter()? {
        let (sha256, der) = entry?;
        let sha256: &Certificate = sha256.value();
        if digest(&SHA256, der.value()).as_ref() != sha256 {
            return Err(Fault::Damaged(format!("table certificates, key {sha256:02x?}: another certificate is there")));
        }
    }
    Ok(())
}

/// The number of a device that is there and did not leave.
pub(super) fn check_present(transaction: &ReadTransaction, number: u64) -> Result<(), Fault> {
    let devices = transaction.open_table(tables::HUB_DEVICES)?;
    let row = devices.get(number)?.ok_or_else(|| missing_device(number))?;
    match decode(number, row.value())?.standing.left() {
        None => Ok(()),
        Some(_) => Err(Fault::Damaged(format!("table hub_devices, key {number}: it left, and has messages"))),
    }
}
