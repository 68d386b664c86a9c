//! Reads a file whole, within bounds, and says plainly why that failed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::Location;
use crate::error::{ConfigError, Problem};
use crate::source::{Source, Span};

/// The largest file that is read. A real configuration is a thousand times smaller.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let refuse = |message: String| -> ConfigError {
        let name = path.display().to_string().into();
        Problem::new(Location::File { name }, message, None).into()
    };
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(e) => {
            return Err(refuse(match e.kind() {
                ErrorKind::NotFound => "the file does not exist".to_owned(),
                ErrorKind::IsADirectory => "this is a directory, a file is needed".to_owned(),
                ErrorKind::PermissionDenied => "the file may not be read by this user: permission denied".to_owned(),
                _ => format!("the file cannot be read: {e}"),
            }));
        }
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(refuse(format!("the file is larger than {} MiB", MAX_FILE_BYTES / (1024 * 1024))));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let bad = e.as_bytes().get(good).copied().unwrap_or_default();
        let message = format!("the file is not UTF-8: byte 0x{bad:02x} cannot stand here");
        let lossy = String::from_utf8_lossy(e.as_bytes());
        // The text up to the bad byte is valid, so its offset is the same in the lossy text.
        let span = Span { start: good, end: good + char::REPLACEMENT_CHARACTER.len_utf8() };
        Source::new(&path.display().to_string(), &lossy, Path::new("")).error(span, message)
    })
}

/// At most one byte more than allowed, so that the caller sees that the file is too large.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
