//! The service as a process.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::{io, ptr, thread};

use crate::binary::{binary, send_signal};
use crate::{Log, PATIENCE, ServiceConfig};

/// A running service. Killed when dropped.
pub struct Service {
    child: Option<Child>,
    pid: u32,
    address: SocketAddr,
    pub log: Log,
    pub config: ServiceConfig,
}

impl Service {
    /// Starts the binary and waits until it listens.
    pub fn start(config: &ServiceConfig) -> Self {
        let mut child = Self::command(config).spawn().expect("the service starts");
        let log = Log::read(child.stderr.take().expect("piped"));
        let pid = child.id();
        let line = log.wait_for_message("listening");
        let address = line["address"].as_str().and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line}"));
        Self { child: Some(child), pid, address, log, config: config.clone() }
    }

    /// `firsthop serve` with that configuration.
    pub fn command(config: &ServiceConfig) -> Command {
        let mut command = Command::new(binary("firsthop"));
        command
            .args(["serve", "--log-format", "json", "--log", "info,firsthop=debug", "-c"])
            .arg(config.write())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // A test that is killed takes its service with it.
        // SAFETY: prctl may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            })
        };
        if let Some(size) = &config.disk {
            let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
            let (place, options) = (path(&config.disk_dir()), CString::new(format!("size={size}")).expect("a size"));
            // SAFETY: system calls only, and memory that was made before.
            unsafe { command.pre_exec(move || mount_small_disk(&place, &options)) };
        }
        command
    }

    /// The folder of the service's own disk, as seen from outside.
    pub fn disk(&self) -> PathBuf {
        let inside = self.config.disk_dir();
        Path::new("/proc")
            .join(self.pid.to_string())
            .join("root")
            .join(inside.strip_prefix("/").expect("an absolute path"))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.end(libc::SIGKILL);
    }

    /// SIGTERM; gives the exit status.
    pub fn terminate(mut self) -> ExitStatus {
        self.end(libc::SIGTERM)
    }

    /// A signal that does not end the process at once.
    pub fn signal(&self, signal: i32) {
        send_signal(self.pid, signal);
    }

    /// Waits for the end of a process that was told to end.
    pub fn wait(mut self) -> ExitStatus {
        self.waited()
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("our child").is_none())
    }

    fn end(&mut self, signal: i32) -> ExitStatus {
        send_signal(self.pid, signal);
        self.waited()
    }

    fn waited(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("ends once");
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(child.wait()));
        match ended.recv_timeout(PATIENCE) {
            Ok(status) => status.expect("our child"),
            Err(_) => {
                send_signal(self.pid, libc::SIGKILL);
                panic!("the service did not end within {PATIENCE:?}:\n{}", self.log.text());
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("the service's log ends so:\n{}", self.log.text());
        }
    }
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
