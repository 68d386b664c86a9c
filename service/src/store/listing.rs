//! Lists of registrations page by page, and how many there are. Each page is a short transaction of its own.

use std::collections::BTreeMap;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{HubName, RegistrationId};
use redb::ReadTransaction;

use super::fault::Fault;
use super::redb::RedbStore;
use super::row::{OWN_ENROLLMENT, RegistrationV2};
use super::{missing_row, tables};
use crate::domain::ports::StoreError;
use crate::domain::registration::Registered;

/// Most registrations on a page.
pub const MAX_PAGE: usize = 1000;

/// Which registrations to list or count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    All,
    Assigned,
    Failed,
    Enrollment(EnrollmentName),
    Hub(HubName),
}

/// Where a page ended. Stays valid for ever: a registration keeps its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// Registrations in the order in which they were first made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub registrations: Vec<Registered>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<Cursor>,
}

/// How many registrations there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub total: u64,
    pub assigned: u64,
    pub failed: u64,
    /// Hubs that have any.
    pub hubs: BTreeMap<HubName, u64>,
}

/// A selection in numbers.
enum Numbered {
    All,
    /// The value of an index, and the kind of its count.
    Index(tables::Index, u8, u32),
    /// An individual enrollment has one registration, or none.
    Own(u64),
    Nothing,
}

impl RedbStore {
    /// At most `limit` registrations (and at most [`MAX_PAGE`]) after the cursor.
    pub fn page(&self, selection: &Selection, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        self.read(|transaction| {
            let mut registrations = Vec::with_capacity(limit.min(64));
            let mut last = None;
            let mut more = false;
            self.walk(selection, after, transaction, |number, row| {
                more = registrations.len() == limit;
                if !more {
                    registrations.push(self.registered(number, row, transaction)?);
                    last = Some(Cursor(number));
                }
                Ok(more)
            })?;
            Ok(Page { registrations, next: last.filter(|_| more) })
        })
    }

    /// As [`RedbStore::page`], the ids alone, each with the cursor at which one goes on after it.
    pub(super) fn ids(
        &self,
        selection: &Selection,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        self.read(|transaction| {
            let mut ids = Vec::with_capacity(limit.min(64));
            self.walk(selection, after, transaction, |number, row| {
                let id = RegistrationV2::decode(row).and_then(|row| row.parsed_id());
                ids.push((number, id.map_err(|error| Fault::row("registrations", number, &error))?));
                Ok(ids.len() == limit)
            })?;
            Ok(ids)
        })
    }

    /// Visits the selected rows after the cursor, until the visit says that it is enough.
    fn walk(
        &self,
        selection: &Selection,
        after: Option<Cursor>,
        transaction: &ReadTransaction,
        mut visit: impl FnMut(u64, &[u8]) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let from = after.map_or(0, |Cursor(number)| number.saturating_add(1));
        let rows = transaction.open_table(tables::REGISTRATIONS)?;
        match self.numbered(selection, transaction)? {
            Numbered::Nothing => {}
            Numbered::All => {
                for entry in rows.range(from..)? {
                    let (number, row) = entry?;
                    if visit(number.value(), row.value())? {
                        break;
                    }
                }
            }
            Numbered::Own(number) if number < from => {}
            Numbered::Own(number) => {
                visit(number, rows.get(number)?.ok_or_else(|| missing_row(number))?.value())?;
            }
            Numbered::Index(index, _, value) => {
                for entry in transaction.open_table(index)?.range((value, from)..=(value, u64::MAX))? {
                    let (_, number) = entry?.0.value();
                    if visit(number, rows.get(number)?.ok_or_else(|| missing_row(number))?.value())? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many registrations there are, at a cost that does not grow with them.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(tables::COUNTS)?;
            let count = |key| -> Result<u64, Fault> { Ok(table.get(key)?.map_or(0, |count| count.value())) };
            let mut hubs = BTreeMap::new();
            for entry in table.range((tables::COUNT_HUB, 0)..=(tables::COUNT_HUB, u32::MAX))? {
                let (key, count) = entry?;
                hubs.insert(self.names().hubs.name(key.value().1, transaction)?, count.value());
            }
            Ok(Counts {
                total: count(tables::COUNT_ALL)?,
                assigned: count((tables::COUNT_STATE, tables::ASSIGNED))?,
                failed: count((tables::COUNT_STATE, tables::FAILED))?,
                hubs,
            })
        })
    }

    /// How many registrations are selected, at a cost that does not grow with them.
    pub fn count(&self, selection: &Selection) -> Result<u64, StoreError> {
        self.read(|transaction| {
            let key = match self.numbered(selection, transaction)? {
                Numbered::Nothing => return Ok(0),
                Numbered::Own(_) => return Ok(1),
                Numbered::All => tables::COUNT_ALL,
                Numbered::Index(_, kind, value) => (kind, value),
            };
            Ok(transaction.open_table(tables::COUNTS)?.get(key)?.map_or(0, |count| count.value()))
        })
    }

    fn numbered(&self, selection: &Selection, transaction: &ReadTransaction) -> Result<Numbered, Fault> {
        let index = |index, kind| move |value| Numbered::Index(index, kind, value);
        Ok(match selection {
            Selection::All => Numbered::All,
            Selection::Assigned => Numbered::Index(tables::BY_STATE, tables::COUNT_STATE, tables::ASSIGNED),
            Selection::Failed => Numbered::Index(tables::BY_STATE, tables::COUNT_STATE, tables::FAILED),
            Selection::Hub(hub) => {
                self.names().hubs.number(hub).map_or(Numbered::Nothing, index(tables::BY_HUB, tables::COUNT_HUB))
            }
            Selection::Enrollment(name) => match self.own_individual(name, transaction)? {
                Some(number) => Numbered::Own(number),
                None => {
                    let number = self.names().enrollments.number(name);
                    number.map_or(Numbered::Nothing, index(tables::BY_ENROLLMENT, tables::COUNT_ENROLLMENT))
                }
            },
        })
    }

    /// The registration under an individual enrollment of its own id.
    fn own_individual(&self, name: &EnrollmentName, transaction: &ReadTransaction) -> Result<Option<u64>, Fault> {
        let EnrollmentName::Individual(id) = name else { return Ok(None) };
        let Some(number) = transaction.open_table(tables::IDS)?.get(id.as_str())?.map(|number| number.value()) else {
            return Ok(None);
        };
        let own = transaction.open_table(tables::BY_ENROLLMENT)?.get((OWN_ENROLLMENT, number))?.is_some();
        Ok(own.then_some(number))
    }
}
