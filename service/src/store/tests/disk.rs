//! A disk in memory that fails, stalls, or loses power when it is told to.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::{Database, StorageBackend};

use crate::store::format;
use crate::store::open::{self, OpenError, Source};

const SECTOR: usize = 512;
const BLOCK: usize = 4096;

/// What the disk does to the writes, syncs and changes of length that come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// There is no room: what was written before can be overwritten, all else fails.
    Full,
    /// Those with these numbers fail, writes after their first half.
    Fail(Range<u64>),
    /// That one panics.
    Panic(u64),
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug)]
struct Inner {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: Vec<u8>,
    /// What came since the last sync.
    unsynced: Vec<Change>,
    /// Blocks that hold something.
    allocated: BTreeSet<usize>,
    trouble: Trouble,
    operations: u64,
    syncs: u64,
    stalled: bool,
    /// Syncs that wait because the disk is stalled.
    waiting: u32,
}

#[derive(Debug)]
pub struct Disk {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Disk {
    fn with(bytes: Vec<u8>) -> Arc<Self> {
        let inner = Inner {
            seen: bytes.clone(),
            synced: bytes,
            unsynced: Vec::new(),
            allocated: BTreeSet::new(),
            trouble: Trouble::None,
            operations: 0,
            syncs: 0,
            stalled: false,
            waiting: 0,
        };
        Arc::new(Self { inner: Mutex::new(inner), changed: Condvar::new() })
    }

    /// A disk with an empty store.
    pub fn new() -> Arc<Self> {
        Self::made(|database| format::create(database).unwrap())
    }

    /// A disk with a database that is made so.
    pub fn made(make: impl FnOnce(&Database)) -> Arc<Self> {
        let disk = Self::with(Vec::new());
        let database = open::database(Backend(disk.clone()), 1024 * 1024).unwrap();
        make(&database);
        database.close().unwrap();
        disk.reset();
        disk
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reset(&self) {
        let mut inner = self.lock();
        inner.operations = 0;
        inner.syncs = 0;
    }

    /// A disk with the same content.
    pub fn copy(&self) -> Arc<Self> {
        Self::with(self.lock().seen.clone())
    }

    /// From now on, counting operations from 0.
    pub fn trouble(&self, trouble: Trouble) {
        self.reset();
        self.lock().trouble = trouble;
    }

    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Holds syncs back until [`Disk::resume`].
    pub fn stall(&self) {
        self.lock().stalled = true;
    }

    /// Waits until a sync is held back.
    pub fn wait_for_stalled_sync(&self) {
        drop(self.changed.wait_while(self.lock(), |inner| inner.waiting == 0).unwrap_or_else(PoisonError::into_inner));
    }

    pub fn resume(&self) {
        self.lock().stalled = false;
        self.changed.notify_all();
    }

    /// What is left after a power cut at this moment: of what was not synced, any part.
    pub fn after_power_cut(&self, mut random: impl FnMut() -> u64) -> Arc<Self> {
        let inner = self.lock();
        let mut left = inner.synced.clone();
        for change in &inner.unsynced {
            match change {
                Change::Length(len) if coin(&mut random) => left.resize(*len, 0),
                Change::Length(_) => {}
                Change::Write(offset, data) => {
                    let fate = random() % 3;
                    for (sector, part) in data.chunks(SECTOR).enumerate() {
                        if fate == 0 || (fate == 1 && coin(&mut random)) {
                            write(&mut left, offset + sector * SECTOR, part);
                        }
                    }
                }
            }
        }
        Self::with(left)
    }
}

fn coin(random: &mut impl FnMut() -> u64) -> bool {
    random() & 1 == 0
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl Inner {
    /// Whether the operation that begins now is to fail.
    fn fails(&mut self) -> bool {
        let operation = self.operations;
        self.operations += 1;
        match &self.trouble {
            Trouble::None | Trouble::Full => false,
            Trouble::Fail(range) => range.contains(&operation),
            Trouble::Panic(at) => {
                assert_ne!(*at, operation, "the disk panics");
                false
            }
        }
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Write(offset, data) => {
                write(&mut self.seen, *offset, data);
                self.allocated.extend(blocks(*offset, data.len()));
            }
            Change::Length(len) => self.seen.resize(*len, 0),
        }
        self.unsynced.push(change);
    }
}

fn blocks(offset: usize, len: usize) -> Range<usize> {
    offset / BLOCK..(offset + len).div_ceil(BLOCK)
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

#[derive(Debug)]
struct Backend(Arc<Disk>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.0.lock();
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(inner.seen.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.0.lock();
        if inner.fails() {
            return Err(full());
        }
        inner.change(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.waiting += 1;
        self.0.changed.notify_all();
        inner = self.0.changed.wait_while(inner, |inner| inner.stalled).unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        inner.syncs += 1;
        if inner.fails() {
            return Err(full());
        }
        inner.synced = inner.seen.clone();
        inner.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.0.lock();
        let no_room = inner.trouble == Trouble::Full
            && blocks(offset as usize, data.len()).any(|block| !inner.allocated.contains(&block));
        let fails = inner.fails() || no_room;
        let written = if fails { &data[..data.len() / 2] } else { data };
        inner.change(Change::Write(offset as usize, written.to_vec()));
        if fails { Err(full()) } else { Ok(()) }
    }
}

/// A store on a simulated disk.
pub struct DiskSource(pub Arc<Disk>);

impl Source for DiskSource {
    fn open(&self) -> Result<Database, OpenError> {
        let path = self.path();
        open::database(Backend(self.0.clone()), 1024 * 1024).map_err(|error| open::database_error(path, error))
    }

    fn path(&self) -> &Path {
        Path::new("simulated disk")
    }
}
