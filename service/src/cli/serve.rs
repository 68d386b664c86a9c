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
    if let Err(error) = logging::install(&settings.log) {
        return fail(Exit::Configuration, &error);
    }
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
    let service = match Service::start(settings).await {
        Ok(service) => service,
        Err(error) => return fail(Exit::Failure, &error),
    };
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
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
