//! Reading the journal of moves.

use std::ops::Bound;

use firsthop_protocol::{ETag, OperationId, RegistrationId, Timestamp};
use redb::ReadTransaction;

use super::fault::Fault;
use super::listing::MAX_PAGE;
use super::redb::RedbStore;
use super::row::TransferV1;
use super::tables;
use crate::domain::transfer::{Transfer, TransferData};

impl RedbStore {
    pub(super) fn all_under_way(
        &self,
        after: Option<&RegistrationId>,
        limit: usize,
        transaction: &ReadTransaction,
    ) -> Result<Vec<Transfer>, Fault> {
        let transfers = transaction.open_table(tables::TRANSFERS)?;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_str()));
        let page = transfers.range::<&str>((from, Bound::Unbounded))?.take(limit.clamp(1, MAX_PAGE));
        page.map(|entry| {
            let (id, row) = entry?;
            self.under_way(id.value(), row.value(), transaction)
        })
        .collect()
    }

    /// The move in a row.
    pub(super) fn under_way(&self, id: &str, row: &[u8], transaction: &ReadTransaction) -> Result<Transfer, Fault> {
        let damaged = |error| Fault::row("transfers", id, &error);
        let row = TransferV1::decode(row).map_err(damaged)?;
        let registration = self.named(row.registration, transaction, damaged)?.registration;
        let hub = |number| self.names().hubs.name(number, transaction);
        Ok(Transfer {
            id: OperationId::from_bytes(row.operation),
            registration_id: registration.id.clone(),
            from: row.from.map(hub).transpose()?,
            to: hub(row.to)?,
            data: row.state.map_or(TransferData::Carry, |state| TransferData::Replace(Box::new(state))),
            identity: self.identity(&row.identity, "transfers", id, transaction)?,
            registration,
            expected: row.expected.map(ETag::new),
            step: row.step,
            started: Timestamp::from_micros(row.started),
        })
    }
}
