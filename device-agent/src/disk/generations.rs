//! One small value in a file, of which there is a whole generation at every instant, whatever is cut off.
//!
//! ```text
//! write:  X.new (written, synced) ── X becomes X.previous ── X.new becomes X ── folder synced
//! read:   X, or else X.previous; an X.new was never acknowledged and goes
//! ```

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DiskError;
use super::envelope::{self, Seal};
use super::folder::{Folder, Unusable, beside, is_full, remove, set_aside};

/// A file with its generations.
pub(super) struct Generations<T> {
    name: &'static str,
    path: PathBuf,
    /// What X certainly holds: the same again is not written, which spares the disk.
    held: Option<Seal>,
    value: PhantomData<T>,
}

/// One step of a write. After each, and before the first, a whole generation can be read.
pub(super) type Step<'a> = Box<dyn FnOnce() -> io::Result<()> + 'a>;

impl<T: Serialize + DeserializeOwned> Generations<T> {
    /// The file of that name, and what it holds. What is wrong with it is set aside, and told.
    pub fn open(
        folder: &Folder,
        name: &'static str,
        warnings: &mut Vec<String>,
    ) -> Result<(Self, Option<T>), DiskError> {
        let path = folder.path().join(name);
        let unfinished = beside(&path, ".new");
        remove(&unfinished).map_err(|source| DiskError::Unreadable { path: unfinished, source })?;
        let mut file = Self { name, path, held: None, value: PhantomData };
        let before = warnings.len();
        if let Some((value, seal)) = file.read(&file.path, warnings)? {
            file.held = Some(seal);
            return Ok((file, Some(value)));
        }
        let previous = beside(&file.path, ".previous");
        let value = file.read(&previous, warnings)?.map(|(value, _)| value);
        if value.is_some() && warnings.len() > before {
            warnings.push(format!("{}: used in place of {name}", previous.display()));
        }
        Ok((file, value))
    }

    fn read(&self, path: &Path, warnings: &mut Vec<String>) -> Result<Option<(T, Seal)>, DiskError> {
        let read = match bytes(path) {
            Ok(None) => return Ok(None),
            Ok(Some(sealed)) => envelope::open(self.name, &sealed),
            // Beginning anew in its place would make the device forget what is there.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(DiskError::Unreadable { path: path.to_owned(), source });
            }
            Err(error) => Err(Unusable::Damaged(error.to_string())),
        };
        match read {
            Ok(read) => Ok(Some(read)),
            Err(unusable) => {
                warnings.push(set_aside(path, &unusable)?);
                Ok(None)
            }
        }
    }

    /// Keeps a value. On an error the one before is still there.
    pub fn save(&mut self, folder: &Folder, value: &T) -> Result<(), DiskError> {
        let failed = |message| DiskError::Write { path: self.path.clone(), message };
        let (sealed, seal) = envelope::seal(self.name, value).map_err(failed)?;
        if self.held == Some(seal) {
            return Ok(());
        }
        self.held = None;
        for step in self.steps(folder, &sealed) {
            step().map_err(|error| match is_full(&error) {
                true => DiskError::DiskFull { path: folder.path().to_owned() },
                false => failed(error.to_string()),
            })?;
        }
        self.held = Some(seal);
        Ok(())
    }

    pub(super) fn steps<'a>(&self, folder: &'a Folder, sealed: &'a [u8]) -> [Step<'a>; 4] {
        let (path, unfinished, previous) =
            (self.path.clone(), beside(&self.path, ".new"), beside(&self.path, ".previous"));
        let (becomes, whole) = (path.clone(), unfinished.clone());
        [
            Box::new(move || {
                write(&unfinished, sealed).inspect_err(|_| {
                    // It takes room that is short, perhaps. The next write begins with the same.
                    let _ = remove(&unfinished);
                })
            }),
            Box::new(move || match std::fs::rename(&path, &previous) {
                // The first one, or the last one was set aside: the previous generation stays.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                renamed => renamed,
            }),
            Box::new(move || std::fs::rename(whole, becomes)),
            Box::new(|| folder.sync()),
        ]
    }
}

fn write(path: &Path, sealed: &[u8]) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(sealed)?;
    file.sync_all()
}

/// What is in a file, if there is one. No more is read than one may have.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let kind = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?.file_type(),
    };
    if !kind.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(envelope::MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > envelope::MAX_LEN {
        return Err(io::Error::other(format!("it is larger than {} bytes", envelope::MAX_LEN)));
    }
    Ok(Some(bytes))
}
