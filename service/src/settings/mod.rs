//! The configuration file: what it may say, and what it means.
//!
//! The settings of a module are defined where they are used; here they come together, and declarations of hubs, device models and
//! enrollments become what the domain knows. Every mistake is told with its file and line.

mod enrollments;
mod entries;
mod hubs;
mod models;
mod sections;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firsthop_config::{ConfigError, Loaded, Located};
use firsthop_protocol::HubName;
use serde::Deserialize;

use crate::front::{bus, limits, tls};
use crate::provisioner::{Declared, QuotaConfig};
use crate::{admin, logging, remote, store, webhook};

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
    provisioning: Provisioning,
    hub_port: Option<Located<remote::ServerConfig>>,
    hub_client: Option<remote::ClientConfig>,
    #[serde(default)]
    webhook: webhook::Config,
    #[serde(default)]
    admin: admin::Config,
    #[serde(default)]
    hubs: Vec<hubs::Hub>,
    #[serde(default)]
    models: Vec<models::Model>,
    #[serde(default)]
    groups: Vec<entries::Group>,
    #[serde(default)]
    individuals: Vec<entries::Individual>,
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

/// The provisioning endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provisioning {
    /// `false`: this process has hubs only, which a service elsewhere assigns devices to.
    pub enabled: bool,
    /// Hubs on other machines that will not come back. Their devices are no longer waited for and get their initial state on another hub.
    pub lost_hubs: Vec<Located<HubName>>,
}

impl Default for Provisioning {
    fn default() -> Self {
        Self { enabled: true, lost_hubs: Vec::new() }
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
    pub provisioning: Provisioning,
    pub hub_port: Option<remote::ServerConfig>,
    pub hub_client: Option<remote::ClientConfig>,
    pub webhook: webhook::Config,
    pub admin: admin::Config,
    /// Certificates of hubs that have one of their own.
    pub hub_tls: BTreeMap<HubName, tls::Config>,
    pub declared: Declared,
    /// What somebody should know, although it is no mistake.
    pub notices: Vec<String>,
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
        ConfigError::many(sections::problems(&source, &file))?;
        let around = hubs::Around {
            listener: file.provisioning.enabled.then_some(file.listener.address),
            has_hub_client: file.hub_client.is_some(),
        };
        let (mut errors, mut notices) = (Vec::new(), Vec::new());
        let (hubs, hub_tls) = hubs::hubs(&source, file.hubs, &around, &mut errors, &mut notices);
        for lost in file.provisioning.lost_hubs.iter().filter(|lost| hubs.named(lost).is_some()) {
            let message = format!("hub {} is declared, so it is not lost: take it out of here or of [[hubs]]", **lost);
            errors.push(source.error(lost.span(), message));
        }
        let hubs = hubs.losing(file.provisioning.lost_hubs.iter().map(|lost| (**lost).clone()));
        let models = models::models(&source, file.models, &mut errors);
        let book = enrollments::book(&source, file.groups, file.individuals, &hubs, &models, &mut errors, &mut notices);
        ConfigError::many(errors)?;
        let tls =
            tls::Config { certificate: source.resolve(&file.tls.certificate), key: source.resolve(&file.tls.key) };
        Ok(Self {
            listener: file.listener,
            tls,
            store: source.resolve(&file.store.path),
            store_tuning: file.store.tuning,
            limits: file.limits,
            bus: file.bus,
            quotas: file.quotas,
            log: file.log,
            shutdown: file.shutdown,
            provisioning: file.provisioning,
            hub_port: file.hub_port.map(|port| sections::hub_port(&source, port.into_inner())),
            hub_client: file.hub_client.map(|client| sections::hub_client(&source, client)),
            webhook: sections::webhook(&source, file.webhook),
            admin: sections::admin(&source, file.admin),
            hub_tls,
            declared: Declared { book: book.unwrap_or_default(), hubs, models },
            notices,
        })
    }
}

#[cfg(test)]
mod tests;
