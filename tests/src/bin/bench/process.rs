//! A server as a child process on cores of its own, which ends when it is dropped or when the benchmark dies.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::machine;

pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    pub fn spawn(name: &'static str, mut command: Command, cores: &[usize]) -> anyhow::Result<Self> {
        let cores = cores.to_vec();
        // SAFETY: between fork and exec only system calls are made, nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                machine::pin(&cores)
            });
        }
        let child = command.spawn().with_context(|| format!("{name} does not start: {command:?}"))?;
        Ok(Self { name, child })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        machine::cpu_time(self.child.id()).with_context(|| format!("CPU time of {}", self.name))
    }

    pub fn cpu_time_by_ticks(&self) -> anyhow::Result<Duration> {
        machine::cpu_time_by_ticks(self.child.id())
    }

    pub fn resident(&self) -> anyhow::Result<u64> {
        machine::resident(self.child.id())
    }

    /// Fails when the process has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself ({status})", self.name),
        }
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = libc::pid_t::try_from(self.child.id())?;
        // SAFETY: the child was not waited for yet, so the number is still its own.
        if unsafe { libc::kill(pid, libc::SIGTERM) } != 0 {
            return Err(io::Error::last_os_error()).with_context(|| format!("SIGTERM to {}", self.name));
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} does not end after SIGTERM", self.name)
    }

    /// SIGKILL, then waits for the end.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
