//! What the file may say, and the defaults of what it does not say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use firsthop_agent::disk::WhenFull;
use firsthop_agent::flow::{Mode, Policy};
use firsthop_agent::{MqttVersion, disk::OutboxLimits};
use firsthop_config::{Located, Size};
use firsthop_protocol::document::{Any, Document};
use serde::Deserialize;

use crate::gateway::logging;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub service: Service,
    pub identity: Identity,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub provisioning: Provisioning,
    #[serde(default)]
    pub hub: Hub,
    #[serde(default)]
    pub mqtt: Mqtt,
    #[serde(default)]
    pub outbox: Outbox,
    #[serde(default)]
    pub local: Local,
    #[serde(default)]
    pub methods: BTreeMap<Located<String>, Method>,
    #[serde(default)]
    pub log: logging::Config,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub host: Located<String>,
    #[serde(default = "default_port")]
    pub port: Located<u16>,
    pub server_name: Option<Located<String>>,
    pub ca: Located<PathBuf>,
}

fn default_port() -> Located<u16> {
    8883.into()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub certificate: Located<PathBuf>,
    /// The path of a PEM file, or a `pkcs11:` URI.
    pub key: Located<String>,
    #[serde(default = "default_warning", with = "firsthop_config::duration")]
    pub warn_before: Duration,
}

fn default_warning() -> Duration {
    Duration::from_secs(30 * 24 * 3600)
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub folder: Located<PathBuf>,
}

impl Default for State {
    fn default() -> Self {
        Self { folder: PathBuf::from("/var/lib/firsthop-agent").into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provisioning {
    pub mode: ModeName,
    pub look_up_first: bool,
    pub measure: bool,
    pub metadata: Option<Located<Document>>,
    pub endpoints: Option<Located<BTreeMap<String, String>>>,
    pub model: Option<Located<String>>,
    pub payload: Option<Located<Any>>,
    pub first_wait: Located<Time>,
    pub longest_wait: Located<Time>,
    pub refused_wait: Located<Time>,
    pub patience: Located<Time>,
}

impl Default for Provisioning {
    fn default() -> Self {
        let policy = Policy::default();
        let wait = |duration| Located::from(Time(duration));
        Self {
            mode: ModeName::Dynamic,
            look_up_first: policy.look_up_first,
            measure: false,
            metadata: None,
            endpoints: None,
            model: None,
            payload: None,
            first_wait: wait(policy.first_wait),
            longest_wait: wait(policy.longest_wait),
            refused_wait: wait(policy.refused_wait),
            patience: wait(policy.patience),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    pub ca: Option<Located<PathBuf>>,
    pub keep_alive: Located<Time>,
    pub allowed: Vec<Located<String>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { ca: None, keep_alive: Time(Duration::from_secs(60)).into(), allowed: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    pub version: Version,
    pub timeout: Located<Time>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self { version: Version::V5, timeout: Time(Duration::from_secs(10)).into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    pub messages: Located<u64>,
    pub size: Located<Size>,
    pub when_full: WhenFullName,
}

impl Default for Outbox {
    fn default() -> Self {
        let limits = OutboxLimits::default();
        Self {
            messages: limits.messages.into(),
            size: Size::bytes(limits.bytes).into(),
            when_full: WhenFullName::DropOldest,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    pub socket: Located<PathBuf>,
    pub managers: Vec<Located<String>>,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(crate::gateway::local::DEFAULT_SOCKET).into(),
            managers: vec!["root".to_owned().into()],
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub command: Located<Vec<String>>,
    #[serde(default = "default_method_timeout")]
    pub timeout: Located<Time>,
    #[serde(default = "default_output")]
    pub output: Located<Size>,
    #[serde(default)]
    pub answer_first: bool,
}

fn default_method_timeout() -> Located<Time> {
    Time(Duration::from_secs(30)).into()
}

fn default_output() -> Located<Size> {
    Size::kib(16).into()
}

/// A duration that remembers where it was written: `Located<Time>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Time(#[serde(with = "firsthop_config::duration")] pub Duration);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeName {
    Dynamic,
    OnErrorOnly,
    AlwaysOnStartup,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub enum Version {
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFullName {
    DropOldest,
    Refuse,
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Self {
        match mode {
            ModeName::Dynamic => Self::Dynamic,
            ModeName::OnErrorOnly => Self::OnErrorOnly,
            ModeName::AlwaysOnStartup => Self::AlwaysOnStartup,
        }
    }
}

impl From<Version> for MqttVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V5 => Self::V5,
            Version::V311 => Self::V311,
        }
    }
}

impl From<WhenFullName> for WhenFull {
    fn from(when: WhenFullName) -> Self {
        match when {
            WhenFullName::DropOldest => Self::DropOldest,
            WhenFullName::Refuse => Self::Refuse,
        }
    }
}
