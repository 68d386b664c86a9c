//! The socket in the file system. It never has another mode than its own: it is made in a folder that nobody else may enter, and then
//! moved to its place in one step.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// For the service's user and group.
const MODE: u32 = 0o660;

/// Why the management socket does not open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("admin.socket: another process serves {}: stop it, or set another path", .0.display())]
    Taken(PathBuf),
    #[error("admin.socket: {} is there and is no socket: remove it, or set another path", .0.display())]
    NoSocket(PathBuf),
    #[error("admin.socket: {}: {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
}

/// A listening socket; its file is removed when this is dropped, unless another process has put its own there.
pub struct Socket {
    pub listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

/// Opens the socket. One that a dead process left is replaced; one that answers is not.
pub fn open(path: &Path) -> Result<Socket, ServeError> {
    let failed = |error| ServeError::Open { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ServeError::NoSocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ServeError::Taken(path.to_owned())),
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            // It may be served all the same, as the socket of another user is.
            Err(error) => return Err(failed(error)),
        },
        // A missing folder is told by what comes next.
        Err(_) => {}
    }
    place(path).map_err(failed)
}

fn place(path: &Path) -> io::Result<Socket> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = uuid::Uuid::new_v4().simple().to_string();
    // Short: the whole path of a socket has about a hundred bytes.
    let folder = parent.join(format!(".{}", name.get(..8).unwrap_or(&name)));
    DirBuilder::new().mode(0o700).create(&folder)?;
    let made = made_in(&folder, path);
    // Empty by now, or as good as that: what is left of a failure is a socket that nobody serves.
    let _ = fs::remove_file(folder.join("s"));
    let _ = fs::remove_dir(&folder);
    made
}

fn made_in(folder: &Path, path: &Path) -> io::Result<Socket> {
    let hidden = folder.join("s");
    let listener = UnixListener::bind(&hidden)?;
    fs::set_permissions(&hidden, Permissions::from_mode(MODE))?;
    let made = fs::symlink_metadata(&hidden)?;
    fs::rename(&hidden, path)?;
    Ok(Socket { listener, path: path.to_owned(), inode: (made.dev(), made.ino()) })
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the management socket is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_the_user_and_group_and_is_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = open(&path).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the folder it was made in is gone");
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_of_which_it_cannot_be_told_whether_it_is_served_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        // Alive, and no stream: connecting fails otherwise than with a refusal.
        let other = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let before = fs::symlink_metadata(&path).unwrap().ino();
        assert!(matches!(open(&path), Err(ServeError::Open { .. })));
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before);
        drop(other);
    }

    #[tokio::test]
    async fn a_socket_that_is_served_is_refused_and_one_that_a_dead_process_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let served = open(&path).unwrap();
        assert!(matches!(open(&path), Err(ServeError::Taken(_))));
        // As after a kill: the file stays, and nobody listens.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("dead")).unwrap());
        fs::rename(folder.path().join("dead"), &path).unwrap();
        let replaced = open(&path).unwrap();
        drop(served);
        assert!(path.exists(), "it belongs to another by now");
        drop(replaced);
    }

    #[tokio::test]
    async fn a_file_or_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(open(&path).err().unwrap().to_string().contains("is no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let missing = folder.path().join("none/admin.sock");
        assert!(open(&missing).err().unwrap().to_string().contains("none/admin.sock"));
    }
}
