//! Where registrations are kept: one redb file behind the [`Store`](crate::domain::ports::Store) port.
//!
//! ```text
//! commit --queue--> writer: gathers what waits > batch: judges by etag, writes rows, indexes, counts > one durable commit > answers
//! look-ups, lists --> a short read transaction each, beside the writer
//! ```
//!
//! A commit that was answered `Ok` is on the disk. One that was answered [`Unavailable`](crate::domain::ports::StoreError::Unavailable)
//! may be there or not: who asked reads again.

mod batch;
mod check;
mod config;
mod fault;
mod listing;
mod names;
mod open;
mod redb;
mod row;
mod slot;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

pub use check::Report;
pub use config::Config;
pub use listing::{Counts, Cursor, MAX_PAGE, Page, Selection};
pub use open::OpenError;
pub use redb::RedbStore;

fn missing_row(number: u64) -> fault::Fault {
    fault::Fault::Damaged(format!("table registrations, key {number}: the row is missing"))
}
