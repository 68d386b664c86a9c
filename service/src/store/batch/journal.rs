//! The journal of moves: a device has at most one under way.

use firsthop_protocol::{ETag, RegistrationId};
use redb::ReadableTable;

use super::Batch;
use super::outcome::{Outcome, read, refused};
use crate::domain::ports::CommitError;
use crate::domain::transfer::Transfer;
use crate::store::change::JournalRequest;
use crate::store::fault::Fault;
use crate::store::row::{IdentityV1, RegistrationV2, StateV1, TransferV1, transfer_operation};
use crate::store::tables;

impl Batch<'_, '_> {
    /// A change of the journal alone.
    pub(super) fn journal(&mut self, request: &JournalRequest) -> Outcome<(), CommitError> {
        let current = match request {
            JournalRequest::Put { transfer, .. } => read(self.etag(transfer.registration_id.as_str()))?,
            JournalRequest::Delete(_) => None,
        };
        self.judge_journal(request, current)?;
        Ok(self.write_journal(request)?)
    }

    /// Judges a change of the journal; nothing is written. `current` is where the registration stands.
    pub(super) fn judge_journal(&self, request: &JournalRequest, current: Option<ETag>) -> Outcome<(), CommitError> {
        let JournalRequest::Put { transfer, .. } = request else { return Ok(()) };
        match read(self.under_way(&transfer.registration_id))? {
            Some(other) if other != *transfer.id.as_bytes() => refused(CommitError::Conflict { current }),
            _ => Ok(()),
        }
    }

    fn under_way(&self, id: &RegistrationId) -> Result<Option<[u8; 16]>, Fault> {
        let transfers = self.transaction.open_table(tables::TRANSFERS)?;
        let row = transfers.get(id.as_str())?;
        let operation = row.map(|row| transfer_operation(row.value())).transpose();
        operation.map_err(|error| Fault::row("transfers", id, &error))
    }

    pub(super) fn write_journal(&mut self, request: &JournalRequest) -> Result<(), Fault> {
        match request {
            JournalRequest::Put { transfer, payload, state } => {
                self.put_transfer(transfer, payload.as_deref(), state.as_ref())
            }
            JournalRequest::Delete(id) => {
                self.transaction.open_table(tables::TRANSFERS)?.remove(id.as_str())?;
                Ok(())
            }
        }
    }

    fn put_transfer(
        &mut self,
        transfer: &Transfer,
        payload: Option<&[u8]>,
        state: Option<&StateV1>,
    ) -> Result<(), Fault> {
        let (enrollment, hub) = self.numbers(&transfer.registration)?;
        let from = transfer.from.as_ref().map(|from| self.hubs.number(from, self.transaction)).transpose()?;
        let row = TransferV1 {
            operation: *transfer.id.as_bytes(),
            step: transfer.step,
            started: transfer.started.micros(),
            expected: transfer.expected.map(ETag::revision),
            from,
            to: self.hubs.number(&transfer.to, self.transaction)?,
            registration: RegistrationV2::new(&transfer.registration, payload, 0, enrollment, hub),
            identity: IdentityV1::new(&transfer.identity),
            state,
        };
        let row = row.encode().map_err(|error| Fault::row("transfers", &transfer.registration_id, &error))?;
        self.store_certificates(&transfer.identity)?;
        self.transaction.open_table(tables::TRANSFERS)?.insert(transfer.registration_id.as_str(), &*row)?;
        Ok(())
    }
}
