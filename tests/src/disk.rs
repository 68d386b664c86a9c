//! A disk of a few bytes that only one process sees.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{io, ptr};

/// Whether this user may mount.
pub(crate) fn may_mount() -> bool {
    Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|ended| ended.status.success())
}

/// A process that finds a disk of that size at that place.
pub(crate) fn give_small(command: &mut Command, place: &Path, size: &str) {
    let place = CString::new(place.as_os_str().as_bytes()).expect("a path without NUL");
    let options = CString::new(format!("size={size}")).expect("a size");
    // SAFETY: system calls only, and memory that was made before.
    unsafe { command.pre_exec(move || mount_small_disk(&place, &options)) };
}

/// Where others find the folder that a process has such a disk at.
pub(crate) fn seen_from_outside(pid: u32, place: &Path) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join("root").join(place.strip_prefix("/").expect("an absolute path"))
}

/// Mounts a file system that only this process sees.
fn mount_small_disk(place: &CStr, options: &CStr) -> io::Result<()> {
    let check = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: all pointers are to texts that live through the calls, or null where that is allowed.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        check(libc::mount(c"none".as_ptr(), c"/".as_ptr(), ptr::null(), libc::MS_REC | libc::MS_PRIVATE, ptr::null()))?;
        check(libc::mount(c"tmpfs".as_ptr(), place.as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast()))
    }
}
