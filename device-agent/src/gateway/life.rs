//! The life of the agent between its start and its end: one loop, which also tells the service manager that it is alive.

use std::sync::Arc;

use firsthop_agent::device::{Device, Handle, Update};
use firsthop_agent::twin::Desired;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::local::{self, Local, Messages, Socket};
use super::logging::Log;
use super::methods::Methods;
use super::reload::{reload, restart_for};
use super::settings::Settings;
use super::signals::{Asked, Signals};
use super::systemd::{self, ServiceManager};
use super::{Origin, RunError};

type Reloading = JoinHandle<Result<Settings, String>>;

/// What the loop works with.
struct Life {
    origin: Origin,
    /// Those that the process was started with, as far as they take a restart.
    running: Settings,
    log: Log,
    handle: Handle,
    methods: Methods,
    desired: watch::Sender<Option<Arc<Desired>>>,
    managers: watch::Sender<Vec<u32>>,
    messages: Messages,
    manager: ServiceManager,
    /// Programs of methods, and requests to the device that may have to wait.
    tasks: JoinSet<()>,
    reloading: Option<Reloading>,
    /// Somebody asked while it was being reloaded.
    reload_again: bool,
}

/// Until a signal ends it, or the device ends.
pub async fn live(
    origin: Origin,
    settings: Settings,
    log: Log,
    mut signals: Signals,
    socket: Socket,
    mut device: Device,
) -> Result<(), RunError> {
    let handle = device.handle().clone();
    let mut life = Life {
        origin,
        log,
        methods: Methods::new(settings.methods.clone()),
        desired: watch::Sender::new(handle.desired()),
        managers: watch::Sender::new(settings.local.managers.clone()),
        messages: Messages::default(),
        manager: ServiceManager::default(),
        tasks: JoinSet::new(),
        reloading: None,
        reload_again: false,
        handle: handle.clone(),
        running: settings,
    };
    let mut local = tokio::spawn(local::serve(socket, life.local()));
    let (mut changes, mut watchdog) = (handle, watchdog());
    life.manager.ready();
    life.manager.status(&changes.status());
    let ended = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop(signal) => break Ok(signal),
                Asked::Reload => life.reload(),
                Asked::Reprovision => life.reprovision(),
            },
            update = device.updates.recv() => match update {
                Some(update) => life.take(update),
                None => break Err(RunError::Ended),
            },
            changed = changes.status_changed() => match changed {
                Ok(status) => life.manager.status(&status),
                Err(_) => break Err(RunError::Ended),
            },
            read = reloaded(&mut life.reloading) => life.apply(read),
            Some(ended) = life.tasks.join_next() => tell_failure(ended),
            served = &mut local => {
                break Err(RunError::Unserved(served.err().map_or_else(String::new, |error| error.to_string())));
            }
            () = tick(&mut watchdog) => life.manager.alive(),
        }
    };
    life.manager.stopping();
    tracing::info!(why = ended.as_ref().map_or_else(ToString::to_string, |signal| (*signal).to_owned()), "stopping");
    // Nobody is served while the device says good-bye; programs of methods end with the loop.
    local.abort();
    if !local.is_finished() {
        let _ = local.await;
    }
    life.tasks.shutdown().await;
    tokio::select! {
        () = device.stop() => tracing::info!("stopped"),
        // Whoever asks twice does not want to wait. What was answered is on the disk.
        () = signals.stop() => tracing::warn!("stopped at once"),
    }
    ended.map(drop)
}

impl Life {
    fn local(&self) -> Local<Handle> {
        Local {
            device: self.handle.clone(),
            desired: self.desired.subscribe(),
            messages: self.messages.clone(),
            managers: self.managers.subscribe(),
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Desired(desired) => drop(self.desired.send_replace(Some(desired))),
            Update::Method(call) => drop(self.tasks.spawn(self.methods.clone().serve(call))),
            Update::Message(message) => self.messages.push(message),
        }
    }

    fn reprovision(&mut self) {
        tracing::info!("SIGUSR1: the device registers again");
        let handle = self.handle.clone();
        // The device's queue may be full, and this loop has to read what it sends.
        self.tasks.spawn(async move {
            if let Err(stopped) = handle.register_again(false).await {
                tracing::debug!(%stopped, "the device does not register again");
            }
        });
    }

    fn reload(&mut self) {
        if self.reloading.is_some() {
            self.reload_again = true;
            return;
        }
        tracing::info!(file = %self.origin.file.display(), "SIGHUP: the configuration is read again");
        self.manager.reloading();
        self.reloading = Some(tokio::spawn(reload(self.origin.clone(), self.handle.clone())));
    }

    fn apply(&mut self, read: Result<Settings, String>) {
        match read.and_then(|settings| self.log.apply(&settings.log).map(|()| settings)) {
            Ok(settings) => {
                let restart = restart_for(&self.running, &settings);
                self.methods.allow(settings.methods);
                self.managers.send_replace(settings.local.managers);
                tracing::info!("the configuration is applied");
                if !restart.is_empty() {
                    tracing::warn!(settings = restart.join(", "), "changed settings take a restart of the agent");
                }
            }
            Err(error) => tracing::error!(error, "the configuration is not taken; nothing has changed"),
        }
        // The manager counts the reload as done when it hears this.
        self.manager.ready();
        if std::mem::take(&mut self.reload_again) {
            self.reload();
        }
    }
}

/// The end of a reload, if one is under way.
async fn reloaded(reloading: &mut Option<Reloading>) -> Result<Settings, String> {
    let Some(task) = reloading else { return std::future::pending().await };
    let read = task.await;
    *reloading = None;
    read.map_err(|error| error.to_string())?
}

fn watchdog() -> Option<Interval> {
    let mut ticks = interval(systemd::watchdog()?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

fn tell_failure(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of the agent failed");
    }
}
