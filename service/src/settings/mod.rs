//! The configuration file: what it may say, and what it means.
//!
//! The settings of a module are defined where they are used; here they come together, and declarations of hubs, device models and
//! enrollments become what the domain knows. Every mistake is told with its file and line.

mod declarations;
mod enrollments;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firsthop_config::{ConfigError, Loaded, Source, Span};
use serde::Deserialize;

use crate::front::{bus, limits, tls};
use crate::provisioner::{Declared, QuotaConfig};
use crate::{logging, store};

/// Environment variables that begin so override the file.
pub const ENVIRONMENT: &str = "FIRSTHOP__";

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    listener: Listener,
    tls: tls::Config,
    store: StoreFile,
    #[serde(default)]
    limits: limits::Config,
    #[serde(default)]
    bus: bus::Config,
    #[serde(default)]
    quotas: QuotaConfig,
    #[serde(default)]
    log: logging::Config,
    #[serde(default)]
    shutdown: Shutdown,
    #[serde(default)]
    hubs: Vec<declarations::Hub>,
    #[serde(default)]
    models: Vec<declarations::Model>,
    #[serde(default)]
    groups: Vec<enrollments::Group>,
    #[serde(default)]
    individuals: Vec<enrollments::Individual>,
}

/// The device port.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// Where devices connect: MQTT 3.1.1 and 5 over TLS.
    pub address: SocketAddr,
}

impl Default for Listener {
    fn default() -> Self {
        Self { address: SocketAddr::from(([0, 0, 0, 0], 8883)) }
    }
}

/// Where registrations are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreFile {
    /// The database file; made when it is not there.
    path: PathBuf,
    #[serde(default)]
    tuning: store::Config,
}

/// The end of the process.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long requests under way may take after SIGTERM.
    #[serde(with = "firsthop_config::duration")]
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10) }
    }
}

/// A configuration that was read and checked.
#[derive(Debug)]
pub struct Settings {
    pub listener: Listener,
    pub tls: tls::Config,
    pub store: PathBuf,
    pub store_tuning: store::Config,
    pub limits: limits::Config,
    pub bus: bus::Config,
    pub quotas: QuotaConfig,
    pub log: logging::Config,
    pub shutdown: Shutdown,
    pub declared: Declared,
}

impl Settings {
    /// Reads a file and the environment's overrides, and everything the file points to but keys and the store.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let loaded = firsthop_config::load(path, firsthop_config::environment(ENVIRONMENT)?, ENVIRONMENT)?;
        Self::of(loaded)
    }

    /// The same for a text in memory.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::of(firsthop_config::parse(text, "configuration", [], ENVIRONMENT)?)
    }

    fn of(Loaded { value: file, source }: Loaded<File>) -> Result<Self, ConfigError> {
        let File { listener, tls, store, limits, bus, quotas, log, shutdown, hubs, models, groups, individuals } = file;
        let problems = limits.problems().into_iter().chain(bus.check().err().map(|error| error.to_string()));
        ConfigError::many(problems.map(|problem| source.error(Span::default(), problem)).collect())?;
        let declared = declared(&source, hubs, models, groups, individuals)?;
        Ok(Self {
            listener,
            tls: tls::Config { certificate: source.resolve(&tls.certificate), key: source.resolve(&tls.key) },
            store: source.resolve(&store.path),
            store_tuning: store.tuning,
            limits,
            bus,
            quotas,
            log,
            shutdown,
            declared,
        })
    }
}

fn declared(
    source: &Source,
    hubs: Vec<declarations::Hub>,
    models: Vec<declarations::Model>,
    groups: Vec<enrollments::Group>,
    individuals: Vec<enrollments::Individual>,
) -> Result<Declared, ConfigError> {
    let mut errors = Vec::new();
    let hubs = declarations::hubs(source, hubs, &mut errors);
    let models = declarations::models(source, models, &mut errors);
    let book = enrollments::book(source, groups, individuals, &hubs, &models, &mut errors);
    ConfigError::many(errors)?;
    Ok(Declared { book: book.unwrap_or_default(), hubs, models })
}

#[cfg(test)]
mod tests;
