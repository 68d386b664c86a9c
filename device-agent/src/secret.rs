//! Files that only their owner may read: keys and PINs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::SetupError;

/// Permission bits that let others than the owner in.
const FOREIGN: u32 = 0o077;

/// The content of a file that nobody but its owner may use.
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, SetupError> {
    let unreadable = |source| SetupError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // The mode of the opened file, not of the path: the two may differ by the time it is read.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o7777;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let is_credential = credentials.is_some_and(|folder| path.starts_with(folder)) && metadata.uid() == 0;
    if is_open(mode, is_credential) {
        return Err(SetupError::KeyReadableByOthers { path: path.to_owned(), mode });
    }
    read_bounded(&file, max).map_err(unreadable)
}

/// systemd keeps a service's credentials as files of root that an access list opens to the service's user; the list's mask shows where
/// the bits of the group are.
fn is_open(mode: u32, is_credential: bool) -> bool {
    match is_credential {
        true => mode & (FOREIGN & !0o040) != 0,
        false => mode & FOREIGN != 0,
    }
}

/// All of a file, if it is not longer than that.
pub fn read_bounded(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if file.take(max + 1).read_to_end(&mut content)? as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_the_owner_may_do_anything_with_a_file() {
        for mode in [0o640, 0o604, 0o620, 0o601, 0o440] {
            assert!(is_open(mode, false), "{mode:o}");
        }
        assert!(!is_open(0o600, false) && !is_open(0o400, false));
    }

    #[test]
    fn a_credential_of_systemd_may_show_the_mask_of_its_access_list() {
        assert!(!is_open(0o440, true) && !is_open(0o400, true));
        for mode in [0o444, 0o460, 0o450, 0o404] {
            assert!(is_open(mode, true), "{mode:o}");
        }
    }
}
