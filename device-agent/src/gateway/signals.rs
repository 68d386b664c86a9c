//! The signals that the agent listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT.
    Stop(&'static str),
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    Reprovision,
}

#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
    /// Caught, so that a file that may not grow further (ulimit -f) is an error of that write, as a full disk is.
    _file_size: Signal,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            _file_size: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            Some(()) = self.terminate.recv() => Asked::Stop("SIGTERM"),
            Some(()) = self.interrupt.recv() => Asked::Stop("SIGINT"),
            Some(()) = self.hangup.recv() => Asked::Reload,
            Some(()) = self.user.recv() => Asked::Reprovision,
            else => std::future::pending().await,
        }
    }

    /// Until somebody asks to stop.
    pub async fn stop(&mut self) {
        while !matches!(self.next().await, Asked::Stop(_)) {}
    }
}
