//! A process that runs until a test ends it. What it logs is read all the time.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use crate::binary::send_signal;
use crate::{Log, PATIENCE};

/// Killed when dropped.
pub(crate) struct Process {
    child: Option<Child>,
    pid: u32,
    pub log: Log,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A test that is killed takes its processes with it.
        // SAFETY: prctl may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            })
        };
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Log::read(child.stderr.take().expect("piped"));
        Self { pid: child.id(), child: Some(child), log }
    }

    pub fn id(&self) -> u32 {
        self.pid
    }

    /// A signal that does not end the process at once.
    pub fn signal(&self, signal: i32) {
        send_signal(self.pid, signal);
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("our child").is_none())
    }

    /// Sends a signal that ends the process, and waits for its end.
    pub fn end(self, signal: i32) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the end of a process that was told to end.
    pub fn wait(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("ends once");
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(child.wait()));
        match ended.recv_timeout(PATIENCE) {
            Ok(status) => status.expect("our child"),
            Err(_) => {
                send_signal(self.pid, libc::SIGKILL);
                panic!("the process did not end within {PATIENCE:?}:\n{}", self.log.text());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("the log of process {} ends so:\n{}", self.pid, self.log.text());
        }
    }
}
