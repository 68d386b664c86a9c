//! The service as a process.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;
use std::{io, ptr, thread};

use crate::binary::{binary, send_signal};
use serde_json::Value;

use crate::{Ended, Log, PATIENCE, ServiceConfig};

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
        // The message is exact: hubs, and the port for other machines, say that they listen, too.
        Self::start_until(config, |line| line["message"] == "listening")
    }

    /// Starts a process that has hubs only; its address is that of the port where the service reaches them.
    pub fn start_hubs(config: &ServiceConfig) -> Self {
        Self::start_until(config, |line| line["message"] == "hub port listening")
    }

    fn start_until(config: &ServiceConfig, listens: impl Fn(&Value) -> bool) -> Self {
        let mut child = Self::command(config).spawn().expect("the service starts");
        let log = Log::read(child.stderr.take().expect("piped"));
        let pid = child.id();
        let line = log.wait_for("that says where it listens", listens);
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
            .envs(config.variables.iter().map(|(name, value)| (name, value)))
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

    /// Where an embedded hub listens.
    pub fn hub(&self, name: &str) -> SocketAddr {
        let line = self
            .log
            .wait_for(&format!("of hub {name}"), |line| line["message"] == "hub listening" && line["hub"] == name);
        line["address"]
            .as_str()
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {line}"))
    }

    /// A management command against this service.
    pub fn manage(&self, arguments: &[&str]) -> Ended {
        // It comes after the listener for devices.
        self.log.wait_for("of the management socket", |line| line["message"] == "management socket");
        let mut command = Command::new(binary("firsthop"));
        crate::run(command.args(arguments).arg("--socket").arg(self.config.dir().join("admin.sock")))
    }

    /// Operations that have not ended.
    pub fn running_operations(&self) -> Vec<Value> {
        let listed = self.managed(&["operation", "list"]);
        let all = listed.as_array().unwrap_or_else(|| panic!("no list: {listed}"));
        all.iter().filter(|operation| operation["status"] == "running").cloned().collect()
    }

    /// A client that does not wait is told "pending" before the move is in the journal. Waits until it is.
    pub fn until_something_runs(&self) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.running_operations();
            if !running.is_empty() {
                return running;
            }
            assert!(Instant::now() < deadline, "no operation runs");
        }
    }

    /// A device is told as soon as it may connect; that its old hub forgets it comes after. Waits for that.
    pub fn until_nothing_runs(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.running_operations();
            if running.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left over: {running:?}");
        }
    }

    /// The JSON that a management command prints; it has to succeed.
    pub fn managed(&self, arguments: &[&str]) -> Value {
        let ended = self.manage(&[arguments, &["--output", "json"]].concat());
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {ended:?}");
        ended.json()
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
