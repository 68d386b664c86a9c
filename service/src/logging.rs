//! Logs: to standard error, as text or JSON, one event a line.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use serde::Deserialize;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::Subscriber;

/// Log settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged: a level, or `target=level` pairs, as `"info,firsthop=debug"`.
    pub filter: String,
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// The filter of a text. The router prints names that clients choose and opens a span for each packet: only its faults are wanted.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("rumqttd=error,{text}"))
}

/// Lines that wait for a slow reader of the log; further ones are dropped, since a service must not wait for its log.
const WAITING: usize = 8192;

/// Sends this process's logs to standard error from here on. What waits is written when the guard is dropped.
pub fn install(config: &Config) -> Result<WorkerGuard, String> {
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).finish(std::io::stderr());
    let filter = filter(&config.filter).map_err(|error| format!("log.filter {:?}: {error}", config.filter))?;
    let builder =
        Subscriber::builder().with_env_filter(filter).with_writer(writer).with_ansi(std::io::stderr().is_terminal());
    let installed = match config.format {
        Format::Text => tracing::subscriber::set_global_default(builder.finish()),
        Format::Json => tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish()),
    };
    installed.map(|()| guard).map_err(|error| error.to_string())
}

/// Sends this process's logs to a file from here on.
pub fn install_to_file(path: &Path) -> Result<(), String> {
    let file =
        File::options().create(true).append(true).open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let filter = filter("info").map_err(|error| error.to_string())?;
    let subscriber =
        Subscriber::builder().with_env_filter(filter).with_writer(Mutex::new(file)).with_ansi(false).finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())
}
