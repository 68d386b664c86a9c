//! One commit: what is gone goes, what comes finds room or not, and the numbers follow.

use redb::{Database, Table};

use super::file::{self, Meta};
use super::{Fault, Gone, row};
use crate::disk::{DiskError, OutboxLimits, OutboxState, Sequence, Telemetry, WhenFull};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::disk) enum Fate {
    /// A hub has it.
    Acknowledged,
    /// No hub will take it.
    Refused,
}

type Messages<'a> = Table<'a, u64, &'static [u8]>;

/// Room is made first by what is gone.
pub(super) fn commit(
    database: &Database,
    meta: &mut Meta,
    messages: &[&Telemetry],
    gone: &Gone,
    limits: OutboxLimits,
) -> Result<Vec<Result<Sequence, DiskError>>, Fault> {
    let before = *meta;
    let transaction = file::begin(database)?;
    let mut table = transaction.open_table(file::MESSAGES)?;
    for (sequence, fate) in gone {
        if let Some(row) = table.remove(sequence)? {
            meta.state.take_out(row::weight(row.value()));
            meta.state.dropped += u64::from(*fate == Fate::Refused);
        }
    }
    let mut answers = Vec::with_capacity(messages.len());
    for message in messages {
        answers.push(match make_room(&mut table, &mut meta.state, message.len(), limits)? {
            Some(full) => Err(full),
            None => {
                table.insert(meta.next, row::encode(message).as_slice())?;
                meta.state.waiting += 1;
                meta.state.bytes += message.len() as u64;
                meta.next += 1;
                Ok(Sequence(meta.next - 1))
            }
        });
    }
    drop(table);
    if *meta == before {
        transaction.abort()?;
    } else {
        file::write_meta(&transaction, meta)?;
        transaction.commit()?;
    }
    Ok(answers)
}

/// Makes room for a message, or says why there is none.
fn make_room(
    table: &mut Messages<'_>,
    state: &mut OutboxState,
    len: usize,
    limits: OutboxLimits,
) -> Result<Option<DiskError>, Fault> {
    if len as u64 > limits.bytes {
        return Ok(Some(DiskError::TooLarge { len, limit: usize::try_from(limits.bytes).unwrap_or(usize::MAX) }));
    }
    while state.waiting >= limits.messages || state.bytes > limits.bytes - len as u64 {
        let full = DiskError::OutboxFull { messages: state.waiting, bytes: state.bytes };
        if limits.when_full == WhenFull::Refuse {
            return Ok(Some(full));
        }
        let Some((_, row)) = table.pop_first()? else { return Ok(Some(full)) };
        state.take_out(row::weight(row.value()));
        state.dropped += 1;
    }
    Ok(None)
}

impl OutboxState {
    fn take_out(&mut self, bytes: u64) {
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
