//! Logs: to the journal by its own protocol, or to standard error as text or JSON, one event a line.

mod line;
mod writer;

use std::io::IsTerminal;

use firsthop_config::Located;
use serde::Deserialize;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

pub use line::fields;
use writer::{Guard, Lines};

/// Log settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged: a level, or `target=level` pairs, as `"info,firsthop_agent=debug"`.
    pub filter: Located<String>,
    pub format: Located<Format>,
}

impl Default for Config {
    fn default() -> Self {
        Self { filter: "info".to_owned().into(), format: Format::Auto.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The journal, where standard error leads there; else text.
    #[default]
    Auto,
    Text,
    Json,
    Journald,
}

impl Format {
    /// Whether this build has it.
    pub fn check(self) -> Result<(), &'static str> {
        match self {
            Self::Journald if cfg!(not(feature = "journald")) => Err("this build has no journald (feature `journald`)"),
            _ => Ok(()),
        }
    }

    fn chosen(self) -> Self {
        match self {
            Self::Auto if cfg!(feature = "journald") && is_journal() => Self::Journald,
            Self::Auto => Self::Text,
            other => other,
        }
    }
}

pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(text)
}

/// The logs of this process, as long as it is kept. What waits is written when it is dropped.
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    _guard: Option<Guard>,
}

impl Log {
    /// Sends this process's logs where the configuration says from here on.
    pub fn install(config: &Config) -> Result<Self, String> {
        let (filter, handle) = reload::Layer::new(parsed(config)?);
        let (layer, guard) = layer(config.format.chosen())?;
        tracing_subscriber::registry().with(filter).with(layer).try_init().map_err(|error| error.to_string())?;
        Ok(Self { filter: handle, _guard: guard })
    }

    /// Another filter, from here on. The format takes a restart.
    pub fn apply(&self, config: &Config) -> Result<(), String> {
        self.filter.reload(parsed(config)?).map_err(|error| error.to_string())
    }
}

fn parsed(config: &Config) -> Result<EnvFilter, String> {
    filter(&config.filter).map_err(|error| format!("log.filter {:?}: {error}", *config.filter))
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Boxed = Box<dyn Layer<Filtered> + Send + Sync>;

fn layer(format: Format) -> Result<(Boxed, Option<Guard>), String> {
    #[cfg(feature = "journald")]
    if format == Format::Journald {
        let journal = tracing_journald::layer().map_err(|error| format!("the journal cannot be reached: {error}"))?;
        let journal = journal.with_field_prefix(None).with_syslog_identifier("firsthop-agent".to_owned());
        return Ok((journal.boxed(), None));
    }
    let (lines, guard) = Lines::to_standard_error().map_err(|error| format!("no thread for the log: {error}"))?;
    let text = fmt::layer().with_writer(lines).with_ansi(std::io::stderr().is_terminal());
    let layer = match format {
        Format::Json => text.json().flatten_event(true).boxed(),
        _ => text.fmt_fields(fields()).boxed(),
    };
    Ok((layer, Some(guard)))
}

/// Whether standard error leads to the journal: systemd says which file the journal's stream is, so that a redirected one is told apart.
fn is_journal() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(standard_error) = std::io::stderr().as_fd().try_clone_to_owned() else { return false };
    std::fs::File::from(standard_error).metadata().is_ok_and(|found| is_stream(&stream, found.dev(), found.ino()))
}

fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_told_by_device_and_inode_of_its_stream() {
        assert!(is_stream("8:42", 8, 42));
        for other in ["8:43", "9:42", "8", "", "8:42:1", "a:b"] {
            assert!(!is_stream(other, 8, 42), "{other}");
        }
    }

    #[test]
    fn outside_of_the_journal_auto_is_text() {
        // Tests run with a captured standard error, which is no stream of the journal.
        assert_eq!(Format::Auto.chosen(), Format::Text);
        assert_eq!(Format::Json.chosen(), Format::Json);
    }
}
