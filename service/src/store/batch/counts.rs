//! How many registrations and devices there are of each kind, changed once for a whole batch.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};

use crate::store::fault::Fault;
use crate::store::tables;

/// Changes of the counts, by their keys.
pub(super) struct Changes(pub BTreeMap<(u8, u32), i64>);

impl Changes {
    pub fn add(&mut self, key: (u8, u32), change: i64) {
        *self.0.entry(key).or_default() += change;
    }

    pub fn write(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let mut counts = transaction.open_table(tables::COUNTS)?;
        for (key, change) in self.0.iter().filter(|(_, change)| **change != 0) {
            let before = counts.get(key)?.map_or(0, |count| count.value());
            let after = before.checked_add_signed(*change).ok_or_else(|| {
                Fault::Damaged(format!("table registration_counts, key {key:?}: {before} cannot change by {change}"))
            })?;
            match after {
                0 => drop(counts.remove(key)?),
                after => drop(counts.insert(key, after)?),
            }
        }
        Ok(())
    }
}
