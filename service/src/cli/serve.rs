//! `firsthop serve`: the daemon.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, fail, runtime};
use crate::logging;
use crate::service::Service;
use crate::settings::Settings;

/// Run the service until SIGTERM or Ctrl-C.
///
/// Example: firsthop serve -c /etc/firsthop/firsthop.toml
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(short, long, env = "FIRSTHOP_CONFIG", value_name = "FILE", default_value = "/etc/firsthop/firsthop.toml")]
    config: PathBuf,
    /// What to log, instead of the configuration's log.filter.
    #[arg(long, env = "FIRSTHOP_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to log, instead of the configuration's log.format.
    #[arg(long, env = "FIRSTHOP_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<logging::Format>,
}

pub fn run(arguments: &Arguments) -> Exit {
    let mut settings = match Settings::load(&arguments.config) {
        Ok(settings) => settings,
        Err(error) => return fail(Exit::Configuration, &error),
    };
    if let Some(filter) = &arguments.log {
        settings.log.filter.clone_from(filter);
    }
    if let Some(format) = arguments.log_format {
        settings.log.format = format;
    }
    let _log = match logging::install(&settings.log) {
        Ok(guard) => guard,
        Err(error) => return fail(Exit::Configuration, &error),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(settings)),
        Err(error) => fail(Exit::Failure, &error),
    }
}

async fn serve(settings: Settings) -> Exit {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return fail(Exit::Failure, &"signals cannot be waited for");
    };
    // A file that may not grow further (ulimit -f) shall be an error of that write, as a full disk is; unhandled, the signal kills.
    let Ok(_file_size) = signal(SignalKind::from_raw(libc::SIGXFSZ)) else {
        return fail(Exit::Failure, &"signals cannot be waited for");
    };
    // A terminal that goes away is no reason to stop.
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return fail(Exit::Failure, &"signals cannot be waited for");
    };
    // Every port has its own.
    let hubs = settings.declared.hubs.iter().filter(|hub| hub.kind.is_embedded()).count();
    let connections = settings.limits.sessions.saturating_add(settings.limits.handshakes);
    raise_descriptors(connections.saturating_mul(hubs.saturating_add(usize::from(settings.provisioning.enabled))));
    let service = match Service::start(settings).await {
        Ok(service) => service,
        Err(error) => return fail(Exit::Failure, &error),
    };
    let name = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            Some(()) = hangup.recv() => tracing::info!("SIGHUP has no effect: a changed configuration takes a restart"),
        }
    };
    tracing::info!(signal = name, "stopping");
    let clean = tokio::select! {
        clean = service.stop() => clean,
        // Whoever asks twice does not want to wait. What was answered is on the disk.
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    tracing::info!(clean, "stopped");
    Exit::Done
}

/// Descriptors besides those of connections: the store, the log, signals.
const OTHERS: usize = 64;

/// Lets the process have a descriptor for each connection that it may have, as far as the system allows.
fn raise_descriptors(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let needed = connections.saturating_add(OTHERS);
    if let Some(allowed) = getrlimit(Resource::Nofile).current
        && allowed < needed as u64
    {
        tracing::warn!(
            allowed,
            needed,
            "fewer open files are allowed than limits.sessions and limits.handshakes may need (ulimit -n)"
        );
    }
}
