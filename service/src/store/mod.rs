//! Where registrations are kept, and the devices of hubs that are roles of this process: one redb file behind the ports
//! [`Store`](crate::domain::ports::Store) and [`HubStore`](crate::domain::ports::HubStore).
//!
//! ```text
//! changes --queue--> writer: gathers what waits > batch: judges each, writes rows, indexes, counts > one durable commit > answers
//! look-ups, lists --> a short read transaction each, beside the writer
//! ```
//!
//! All changes pass through one queue: what a device wrote before it was fenced is in the copy, what it wrote after is refused.
//!
//! A commit that was answered `Ok` is on the disk. One that was answered [`Unavailable`](crate::domain::ports::StoreError::Unavailable)
//! may be there or not: who asked reads again.

mod batch;
mod certificates;
mod change;
mod check;
mod config;
mod fault;
mod format;
mod hubs;
mod journal;
mod listing;
mod locate;
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
