//! The service as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use serde_json::Value;

use crate::process::Process;
use crate::{Ended, Log, PATIENCE, ServiceConfig, binary, disk};

/// A running service. Killed when dropped.
pub struct Service {
    process: Process,
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
        let process = Process::start(Self::command(config));
        let log = process.log.clone();
        let line = log.wait_for("that says where it listens", listens);
        let address = line["address"].as_str().and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line}"));
        Self { process, address, log, config: config.clone() }
    }

    /// `firsthop serve` with that configuration.
    pub fn command(config: &ServiceConfig) -> Command {
        let mut command = Command::new(binary("firsthop"));
        command
            .args(["serve", "--log-format", "json", "--log", "info,firsthop=debug", "-c"])
            .arg(config.write())
            .envs(config.variables.iter().map(|(name, value)| (name, value)));
        if let Some(size) = &config.disk {
            disk::give_small(&mut command, &config.disk_dir(), size);
        }
        command
    }

    /// The folder of the service's own disk, as seen from outside.
    pub fn disk(&self) -> PathBuf {
        disk::seen_from_outside(self.process.id(), &self.config.disk_dir())
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
        self.process.id()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.process.end(libc::SIGKILL);
    }

    /// SIGTERM; gives the exit status.
    pub fn terminate(self) -> ExitStatus {
        self.process.end(libc::SIGTERM)
    }

    /// A signal that does not end the process at once.
    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    /// Waits for the end of a process that was told to end.
    pub fn wait(self) -> ExitStatus {
        self.process.wait()
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}
