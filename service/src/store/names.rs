//! Names that rows hold as numbers: enrollments and hubs. They are few, stay for ever, and are held in memory besides.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{GroupId, HubName, RegistrationId};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::certificates::Certificates;
use super::fault::Fault;
use super::row::RowError;
use super::tables::{ENROLLMENT_NAMES, HUB_NAMES, NameTable};

/// A name that is stored as text in a table of its own.
pub(super) trait Name: Clone + Eq + Hash {
    const TABLE: NameTable;
    const TABLE_NAME: &'static str;

    fn to_text(&self) -> String;
    fn from_text(text: &str) -> Option<Self>;
}

impl Name for HubName {
    const TABLE: NameTable = HUB_NAMES;
    const TABLE_NAME: &'static str = "hub_names";

    fn to_text(&self) -> String {
        self.as_str().to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Name for EnrollmentName {
    const TABLE: NameTable = ENROLLMENT_NAMES;
    const TABLE_NAME: &'static str = "enrollment_names";

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("individual", id) => RegistrationId::parse(id).ok().map(Self::Individual),
            ("group", id) => GroupId::parse(id).ok().map(Self::Group),
            _ => None,
        }
    }
}

/// All names of the store, and the certificates that rows name.
#[derive(Debug)]
pub(super) struct Names {
    pub enrollments: Dictionary<EnrollmentName>,
    pub hubs: Dictionary<HubName>,
    pub certificates: Certificates,
}

impl Default for Names {
    fn default() -> Self {
        Self { enrollments: Dictionary::new(), hubs: Dictionary::new(), certificates: Certificates::default() }
    }
}

impl Names {
    /// Learns all names in the file.
    pub fn load(&self, transaction: &ReadTransaction) -> Result<(), Fault> {
        self.enrollments.load(transaction)?;
        self.hubs.load(transaction)
    }
}

/// The names of one kind. Holds committed names only: what it says is true for ever.
#[derive(Debug)]
pub(super) struct Dictionary<N>(RwLock<Known<N>>);

#[derive(Debug)]
struct Known<N> {
    names: HashMap<u32, N>,
    numbers: HashMap<N, u32>,
    highest: u32,
}

impl<N: Name> Known<N> {
    fn learn(&mut self, number: u32, name: N) {
        self.highest = self.highest.max(number);
        self.names.insert(number, name.clone());
        self.numbers.insert(name, number);
    }
}

impl<N: Name> Dictionary<N> {
    fn new() -> Self {
        Self(RwLock::new(Known { names: HashMap::new(), numbers: HashMap::new(), highest: 0 }))
    }

    fn load(&self, transaction: &ReadTransaction) -> Result<(), Fault> {
        let table = transaction.open_table(N::TABLE)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for entry in table.iter()? {
            let (number, text) = entry?;
            known.learn(number.value(), parse(number.value(), text.value())?);
        }
        Ok(())
    }

    pub fn number(&self, name: &N) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).numbers.get(name).copied()
    }

    fn known(&self, number: u32) -> Option<N> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).names.get(&number).cloned()
    }

    /// The name behind a number. A commit is visible a moment before its new names are learned, so an unknown one is looked up.
    pub fn name(&self, number: u32, transaction: &ReadTransaction) -> Result<N, Fault> {
        if let Some(name) = self.known(number) {
            return Ok(name);
        }
        let table = transaction.open_table(N::TABLE)?;
        match table.get(number)? {
            Some(text) => parse(number, text.value()),
            None => Err(Fault::Damaged(format!("table {}: number {number} is missing", N::TABLE_NAME))),
        }
    }
}

fn parse<N: Name>(number: u32, text: &str) -> Result<N, Fault> {
    N::from_text(text).ok_or_else(|| {
        Fault::row(N::TABLE_NAME, number, &RowError::Field { field: "name", found: format!("{text:?}") })
    })
}

/// The names of a batch under way: the committed ones, and those that become known if it is committed.
pub(super) struct Naming<'a, N> {
    committed: &'a Dictionary<N>,
    fresh: HashMap<N, u32>,
    highest: u32,
}

impl<'a, N: Name> Naming<'a, N> {
    pub fn new(committed: &'a Dictionary<N>) -> Self {
        let highest = committed.0.read().unwrap_or_else(PoisonError::into_inner).highest;
        Self { committed, fresh: HashMap::new(), highest }
    }

    /// The number of a name that has one.
    pub fn known(&self, name: &N) -> Option<u32> {
        self.committed.number(name).or_else(|| self.fresh.get(name).copied())
    }

    /// The name's number; a new one is written first.
    pub fn number(&mut self, name: &N, transaction: &WriteTransaction) -> Result<u32, Fault> {
        if let Some(number) = self.known(name) {
            return Ok(number);
        }
        let number =
            self.highest.checked_add(1).ok_or_else(|| Fault::Damaged(format!("table {} is full", N::TABLE_NAME)))?;
        transaction.open_table(N::TABLE)?.insert(number, &*name.to_text())?;
        self.highest = number;
        self.fresh.insert(name.clone(), number);
        Ok(number)
    }

    /// To be called once the batch is durable.
    pub fn committed(self) {
        if !self.fresh.is_empty() {
            let mut known = self.committed.0.write().unwrap_or_else(PoisonError::into_inner);
            for (name, number) in self.fresh {
                known.learn(number, name);
            }
        }
    }
}
