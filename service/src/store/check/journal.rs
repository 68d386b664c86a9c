//! The journal of moves, and what operators set on hubs.

use redb::{ReadTransaction, ReadableTable};

use crate::store::fault::Fault;
use crate::store::redb::RedbStore;
use crate::store::row;
use crate::store::tables;

impl RedbStore {
    /// How many moves are under way.
    pub(super) fn check_journal(&self, transaction: &ReadTransaction) -> Result<u64, Fault> {
        let mut transfers = 0;
        for entry in transaction.open_table(tables::TRANSFERS)?.iter()? {
            let (id, row) = entry?;
            let transfer = self.under_way(id.value(), row.value(), transaction)?;
            if transfer.registration_id.as_str() != id.value() {
                return Err(Fault::Damaged(format!("table transfers, key {}: it is that of another", id.value())));
            }
            transfers += 1;
        }
        for entry in transaction.open_table(tables::HUB_SETTINGS)?.iter()? {
            let (hub, row) = entry?;
            row::hub_name(hub.value())
                .and_then(|_| row::decode_hub_settings(row.value()))
                .map_err(|error| Fault::row("hub_settings", hub.value(), &error))?;
        }
        Ok(transfers)
    }
}
