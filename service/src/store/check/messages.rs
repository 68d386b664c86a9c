//! Command queues and event storages.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable};

use super::devices::check_present;
use crate::store::fault::Fault;
use crate::store::row::{self, RowError};
use crate::store::tables::{self, Messages, Sequence};

/// Number of a device and kind of messages to their total.
type Totals = BTreeMap<(u64, u8), (u64, u64)>;

pub(super) fn check(transaction: &ReadTransaction, sequence: Sequence) -> Result<(), Fault> {
    let mut totals = Totals::new();
    let commands = |row: &[u8]| row::decode_message(row).map(|_| row::message_size(row));
    let events = |row: &[u8]| row::decode_event(row).map(|_| row::event_size(row));
    count(transaction, sequence, (tables::COMMANDS, "command_queues"), tables::TOTAL_COMMANDS, commands, &mut totals)?;
    count(transaction, sequence, (tables::EVENTS, "event_storages"), tables::TOTAL_EVENTS, events, &mut totals)?;
    for (device, _) in totals.keys() {
        check_present(transaction, *device)?;
    }
    for entry in transaction.open_table(tables::MESSAGE_TOTALS)?.iter()? {
        let (key, total) = entry?;
        let found = totals.remove(&key.value());
        if found != Some(total.value()) {
            return Err(Fault::Damaged(format!(
                "table message_totals, key {:?}: {:?} where there is {found:?}",
                key.value(),
                total.value()
            )));
        }
    }
    match totals.first_key_value() {
        Some((key, total)) => {
            Err(Fault::Damaged(format!("table message_totals, key {key:?}: missing where there is {total:?}")))
        }
        None => Ok(()),
    }
}

fn count(
    transaction: &ReadTransaction,
    sequence: Sequence,
    (table, name): (Messages, &'static str),
    kind: u8,
    size: impl Fn(&[u8]) -> Result<u64, RowError>,
    totals: &mut Totals,
) -> Result<(), Fault> {
    for entry in transaction.open_table(table)?.iter()? {
        let (key, row) = entry?;
        let (device, number) = key.value();
        let size = size(row.value()).map_err(|error| Fault::row(name, format_args!("{device}, {number}"), &error))?;
        if number > sequence.revision {
            return Err(Fault::Damaged(format!("table {name}, key {device}, {number}: its number was not given out")));
        }
        let (messages, bytes) = totals.entry((device, kind)).or_default();
        *messages += 1;
        *bytes += size;
    }
    Ok(())
}
