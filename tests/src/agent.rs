//! The device agent as a process, with its configuration in a folder of its own, and the commands that ask it.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use firsthop_certs::Identity;
use firsthop_protocol::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::toml::Toml;
use crate::{Ended, Local, Log, PATIENCE, Pki, Running, Version, binary, disk};

/// What is not logged is seen that much later.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Builds a configuration file. The folder, with the agent's state in it, lives as long as the last clone.
#[derive(Clone)]
pub struct AgentConfig {
    dir: Arc<TempDir>,
    toml: Toml,
    disk: Option<String>,
    variables: Vec<(String, String)>,
}

impl AgentConfig {
    /// A device that registers at `localhost` on that port. It waits five seconds after a 5xx, each time: as briefly as the rules allow.
    pub fn new(pki: &Pki, identity: &Identity, service: u16) -> Self {
        let dir = Arc::new(tempfile::Builder::new().prefix("agent-").tempdir().expect("a folder"));
        std::fs::write(dir.path().join("root.pem"), pki.root.certificate_pem()).expect("the root's file");
        let config = Self { dir, toml: Toml::default(), disk: None, variables: Vec::new() };
        config.renew(identity);
        config
            .set("service", "host", "\"localhost\"")
            .set("service", "port", service)
            .set("service", "ca", "\"root.pem\"")
            .set("identity", "certificate", "\"device.pem\"")
            .set("identity", "key", "\"device.key\"")
            .set("state", "folder", "\"state\"")
            .set("local", "socket", "\"agent.sock\"")
            .set("log", "format", "\"json\"")
            .set("log", "filter", "\"info,firsthop_agent=debug\"")
            .set("provisioning", "first_wait", "\"5s\"")
            .set("provisioning", "longest_wait", "\"5s\"")
            .set("mqtt", "timeout", "\"5s\"")
    }

    /// Sets a key to a value in TOML.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Display) -> Self {
        self.toml.set(section, key, value);
        self
    }

    /// Appends tables as they are.
    #[must_use]
    pub fn with(mut self, tables: &str) -> Self {
        self.toml.with(tables);
        self
    }

    #[must_use]
    pub fn version(self, version: Version) -> Self {
        self.set("mqtt", "version", if version == Version::V5 { "\"5\"" } else { "\"3.1.1\"" })
    }

    /// A variable in the agent's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Puts the state onto a disk of its own, of that size; `None` where this user may not mount.
    pub fn on_a_small_disk(self, size: &str) -> Option<Self> {
        std::fs::create_dir(self.disk_dir()).expect("a folder");
        disk::may_mount().then(|| Self { disk: Some(size.to_owned()), ..self.set("state", "folder", "\"disk/state\"") })
    }

    fn disk_dir(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the agent's state.
    pub fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join("state").join(name)
    }

    /// Puts another certificate and key in the place of those that were there, as a renewal does.
    pub fn renew(&self, identity: &Identity) {
        identity.replace(self.dir.path(), "device").expect("the device's files");
    }

    /// Writes the file.
    pub fn write(&self) -> PathBuf {
        let path = self.dir.path().join("agent.toml");
        std::fs::write(&path, self.toml.text()).expect("the configuration file");
        path
    }

    /// `firsthop-agent run` with that configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary("firsthop-agent"));
        command.arg("run").arg("--config").arg(self.write());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(size) = &self.disk {
            disk::give_small(&mut command, &self.disk_dir(), size);
        }
        command
    }

    pub fn start(&self) -> Agent {
        let process = Process::start(self.command());
        let log = process.log.clone();
        Agent { process, log, config: self.clone() }
    }
}

/// A running agent. Killed when dropped.
pub struct Agent {
    process: Process,
    pub log: Log,
    pub config: AgentConfig,
}

impl Agent {
    fn asks(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("firsthop-agent"));
        command.args(arguments).arg("--socket").arg(self.config.dir().join("agent.sock"));
        command
    }

    /// A command against this agent.
    pub fn ask(&self, arguments: &[&str]) -> Ended {
        crate::run(&mut self.asks(arguments))
    }

    /// A command that goes on until it is dropped.
    pub fn follow(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.asks(arguments))
    }

    /// A command that has to succeed.
    pub fn asked(&self, arguments: &[&str]) -> Ended {
        let ended = self.ask(arguments);
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {ended:?}");
        ended
    }

    /// A program beside it, as soon as it listens.
    pub fn local(&self) -> Local {
        let socket = self.config.dir().join("agent.sock");
        self.poll("listening", || Local::open(&socket).ok_or(Value::Null))
    }

    /// How it stands; `Null` while it does not answer.
    pub fn try_status(&self) -> Value {
        let answer = Local::open(&self.config.dir().join("agent.sock"))
            .and_then(|mut local| local.ask(&json!({"op": "status"})))
            .unwrap_or(Value::Null);
        answer["status"].clone()
    }

    /// How it stands, as soon as that fits.
    pub fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.poll(what, || {
            let status = self.try_status();
            if fits(&status) { Ok(status) } else { Err(status) }
        })
    }

    /// The desired properties, as soon as they are these.
    pub fn until_desired(&self, desired: &Value) {
        let mut local = self.local();
        self.poll(&format!("aware of {desired}"), || {
            let answer = local.ask(&json!({"op": "twin"})).expect("the agent runs");
            if answer["desired"] == *desired { Ok(()) } else { Err(answer) }
        });
    }

    /// Looks again and again, whenever the log has grown: whatever the agent does, it logs.
    fn poll<T>(&self, what: &str, look: impl FnMut() -> Result<T, Value>) -> T {
        let (mut look, deadline) = (look, Instant::now() + PATIENCE);
        loop {
            let seen = self.log.written();
            match look() {
                Ok(found) => return found,
                Err(last) => assert!(Instant::now() < deadline, "the agent is not {what}: {last:#}"),
            }
            self.log.grows(seen, LOOK_AGAIN);
        }
    }

    pub fn until_state(&self, state: &str) -> Value {
        self.until(state, |status| status["state"] == state)
    }

    pub fn until_connected(&self) -> Value {
        self.until("connected", |status| status["onHub"] == true)
    }

    /// `host:port`, as the service tells it.
    pub fn until_connected_to(&self, hub: &str) -> Value {
        self.until(&format!("connected to {hub}"), |status| status["onHub"] == true && status["hub"]["address"] == hub)
    }

    /// Waits until nothing waits for the hub any more.
    pub fn until_all_sent(&self) -> Value {
        self.until("done with sending", |status| {
            status["onHub"] == true && status["unacknowledgedReport"] == false && status["outbox"]["waiting"] == 0
        })
    }

    /// How long it is until what the status says comes next.
    pub fn next_in(&self, status: &Value) -> Duration {
        let at: Timestamp = serde_json::from_value(status["next"]["at"].clone())
            .unwrap_or_else(|error| panic!("no time ({error}): {status}"));
        at.since(Timestamp::now())
    }

    pub fn report(&self, patch: &Value) {
        assert!(self.local().report(patch), "the agent does not take {patch}");
    }

    pub fn publish(&self, body: &str) {
        assert!(self.local().publish(body), "the agent does not take {body:?}");
    }

    pub fn reprovision(&self) {
        self.asked(&["reprovision"]);
    }

    /// The folder of the agent's own disk, as seen from outside.
    pub fn disk(&self) -> PathBuf {
        disk::seen_from_outside(self.process.id(), &self.config.disk_dir())
    }

    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.process.end(libc::SIGKILL);
    }

    /// SIGTERM; gives the exit status.
    pub fn terminate(self) -> ExitStatus {
        self.process.end(libc::SIGTERM)
    }

    /// Waits for the end of a process that ends by itself.
    pub fn wait(self) -> ExitStatus {
        self.process.wait()
    }

    /// SIGKILL, and a new process with the same state.
    #[must_use]
    pub fn killed_and_started(self) -> Self {
        let config = self.config.clone();
        self.kill();
        config.start()
    }
}
