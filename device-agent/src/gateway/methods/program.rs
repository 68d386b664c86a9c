//! One run of a program.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Method;
use super::pipe::{Output, Pipe};

/// Where a program looks for others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long an output is read on after the program has ended. What it left running may hold the pipe open for ever.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// It cannot be started.
    NotRun(io::Error),
    /// By itself, or by a signal.
    Exited(ExitStatus, Outputs),
    /// Killed when its time was over.
    TimedOut(Duration, Outputs),
}

/// What the program wrote.
#[derive(Debug, Default)]
pub struct Outputs {
    pub stdout: Output,
    pub stderr: Output,
}

impl Ended {
    /// One word, for the log.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NotRun(_) => "not run",
            Self::Exited(status, _) if status.success() => "done",
            Self::Exited(..) => "failed",
            Self::TimedOut(..) => "timed out",
        }
    }
}

/// Runs the program of a method. Dropped before its end, it kills the program and all that this has started.
pub async fn run(name: &str, method: &Method, payload: &[u8]) -> Ended {
    let mut group = match spawn(name, method) {
        Ok(child) => Group(child),
        Err(error) => return Ended::NotRun(error),
    };
    let mut input = group.0.stdin.take();
    let mut stdout = Pipe::new(group.0.stdout.take(), method.output);
    let mut stderr = Pipe::new(group.0.stderr.take(), method.output);
    let feed = async {
        // A program need not read; the pipe is closed behind what there is.
        if let Some(mut input) = input.take() {
            let _ = input.write_all(payload).await;
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        // Nothing is read or written for a program that has ended, but what is in the pipes.
        ended = timeout(method.timeout, group.0.wait()) => ended,
        () = feed => unreachable!("it never ends"),
        () = stdout.read_on() => unreachable!("it never ends"),
        () = stderr.read_on() => unreachable!("it never ends"),
    };
    let ended = match ended {
        Ok(ended) => ended.map(Some),
        // Before it is waited for: its number, and that of its group, are nobody else's as long.
        Err(_) => {
            group.kill();
            group.0.wait().await.map(|_| None)
        }
    };
    // What it has started may run on, and may hold the pipes.
    let _ = timeout(AFTERWARDS, async { tokio::join!(stdout.read_to_end(), stderr.read_to_end()) }).await;
    let outputs = Outputs { stdout: stdout.into_output(), stderr: stderr.into_output() };
    match ended {
        Ok(Some(status)) => Ended::Exited(status, outputs),
        Ok(None) => Ended::TimedOut(method.timeout, outputs),
        Err(error) => Ended::NotRun(error),
    }
}

fn spawn(name: &str, method: &Method) -> io::Result<Child> {
    Command::new(&method.program)
        .args(&method.arguments)
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/"), ("LANG", "C.UTF-8"), ("FIRSTHOP_METHOD", name)])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts can be killed with it.
        .process_group(0)
        .spawn()
}

/// A program that has a group of its own.
struct Group(Child);

impl Group {
    /// Kills the program and its group, unless it has been waited for: then the number may be that of another one.
    fn kill(&self) {
        let group = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "a program's group cannot be killed");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
