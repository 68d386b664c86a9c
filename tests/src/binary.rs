//! The workspace's binaries, and processes that end within a time limit.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use crate::PATIENCE;

/// The binary of that name, beside the test's own. `cargo build --workspace` and `cargo nextest run --workspace` make it.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process has a path");
    // target/<profile>/deps/<test>
    let place = own.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
    place.unwrap_or_else(|| panic!("no binary {name} above {}; run: cargo build --workspace --bins", own.display()))
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    Running::start(command).end()
}

/// A process whose output is read line by line. Killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Receiver<String>,
    seen: Vec<u8>,
    name: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
        let mut errors = child.stderr.take().expect("piped above");
        let (line_sender, lines) = channel();
        thread::spawn(move || {
            loop {
                let mut line = Vec::new();
                match stdout.read_until(b'\n', &mut line) {
                    Ok(1..) if line_sender.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        let (error_sender, stderr) = channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            let _ = error_sender.send(String::from_utf8_lossy(&text).into_owned());
        });
        Self { child, stdin, lines, stderr, seen: Vec::new(), name }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of standard output that contains a text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.extend_from_slice(&line);
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => {
                    let _ = self.child.kill();
                    let errors = self.stderr.recv_timeout(PATIENCE).unwrap_or_default();
                    panic!(
                        "{} never printed {text:?} ({error}), but:\n{}\n{errors}",
                        self.name,
                        String::from_utf8_lossy(&self.seen)
                    );
                }
            }
        }
    }

    /// Closes standard input and waits for the end.
    pub fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.extend_from_slice(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    let errors = self.stderr.recv_timeout(PATIENCE).unwrap_or_default();
                    panic!(
                        "{} did not end within {PATIENCE:?}:\n{}\n{errors}",
                        self.name,
                        String::from_utf8_lossy(&self.seen)
                    );
                }
            }
        }
        let stderr = self.stderr.recv_timeout(PATIENCE).expect("standard error ends with the process");
        let status = self.child.wait().expect("our child");
        Ended { status, stdout: std::mem::take(&mut self.seen), stderr }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        send_signal(self.child.id(), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn send_signal(pid: u32, signal: i32) {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    // SAFETY: no memory is involved; the process is our child and not yet waited for, so the id is its own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "{}", std::io::Error::last_os_error());
}
