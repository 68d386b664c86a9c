//! What an enrollment gives its devices: initial twin, capabilities, resources; and the webhook that allocates for them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firsthop_config::{ConfigError, Located, Size, Source};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::enrollment::{Secret, Webhook};
use crate::domain::hub_device::{self, CommandQueue, EventStorage, Resources};

/// The state that a device gets at first, and again with a reset.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InitialTwin {
    /// Seen by the back end only.
    tags: Map<String, Value>,
    /// Desired properties.
    desired: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// The device may act as an edge gateway.
    iot_edge: bool,
}

/// What is allocated for a device on its hub.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourcesFile {
    command_queue: CommandQueueFile,
    events: EventStorageFile,
}

/// Messages to the device wait here while it is offline.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CommandQueueFile {
    messages: Located<u32>,
    bytes: Located<Size>,
    expiry: Located<Expiry>,
}

/// The newest telemetry of the device.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventStorageFile {
    messages: Located<u32>,
    bytes: Located<Size>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Expiry(#[serde(with = "firsthop_config::duration")] Duration);

impl Default for CommandQueueFile {
    fn default() -> Self {
        let CommandQueue { messages, bytes, expiry } = Resources::default().command_queue;
        Self { messages: messages.into(), bytes: Size::bytes(bytes).into(), expiry: Expiry(expiry).into() }
    }
}

impl Default for EventStorageFile {
    fn default() -> Self {
        let EventStorage { messages, bytes } = Resources::default().events;
        Self { messages: messages.into(), bytes: Size::bytes(bytes).into() }
    }
}

/// The webhook of the custom allocation policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookFile {
    url: Located<String>,
    /// File with the key that signs the calls.
    secret_file: Option<Located<PathBuf>>,
}

/// What one device may be given at most: a hub has room for very many of them.
const MAX_MESSAGES: u32 = 1000;
const MAX_BYTES: Size = Size::mib(1);
const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest key that signs calls.
const MAX_SECRET: usize = 4096;

pub fn initial_twin(
    source: &Source,
    declared: Option<Located<InitialTwin>>,
    errors: &mut Vec<ConfigError>,
) -> hub_device::InitialTwin {
    let Some(declared) = declared else { return hub_device::InitialTwin::default() };
    let span = declared.span();
    let InitialTwin { tags, desired } = declared.into_inner();
    let twin = hub_device::InitialTwin { tags, desired };
    if let Err(error) = twin.judge() {
        errors.push(source.error(span, format!("initial_twin: {error}")));
    }
    twin
}

pub const fn capabilities(declared: Capabilities) -> hub_device::Capabilities {
    hub_device::Capabilities { iot_edge: declared.iot_edge }
}

pub fn resources(source: &Source, declared: ResourcesFile, errors: &mut Vec<ConfigError>) -> Resources {
    let ResourcesFile { command_queue, events } = declared;
    for messages in [&command_queue.messages, &events.messages] {
        if **messages > MAX_MESSAGES {
            errors.push(source.error(messages.span(), format!("at most {MAX_MESSAGES} messages, not {}", **messages)));
        }
    }
    for bytes in [&command_queue.bytes, &events.bytes] {
        if **bytes > MAX_BYTES {
            errors.push(source.error(bytes.span(), format!("at most {MAX_BYTES}, not {}", **bytes)));
        }
    }
    let expiry = command_queue.expiry.0;
    if expiry.is_zero() || expiry > MAX_EXPIRY {
        let message = format!("messages wait for more than no time and at most 7 days, not {expiry:?}");
        errors.push(source.error(command_queue.expiry.span(), message));
    }
    Resources {
        command_queue: CommandQueue { messages: *command_queue.messages, bytes: command_queue.bytes.as_u64(), expiry },
        events: EventStorage { messages: *events.messages, bytes: events.bytes.as_u64() },
    }
}

pub fn webhook(
    source: &Source,
    declared: WebhookFile,
    errors: &mut Vec<ConfigError>,
    notices: &mut Vec<String>,
) -> Webhook {
    if let Err(why) = callable(&declared.url) {
        errors.push(source.error(declared.url.span(), why));
    }
    let secret = declared.secret_file.and_then(|path| match secret(source, &path, notices) {
        Ok(secret) => Some(secret),
        Err(why) => {
            errors.push(source.error(path.span(), why));
            None
        }
    });
    Webhook { url: declared.url.as_str().into(), secret }
}

/// What a webhook is told and answers decides where devices go: in clear it may pass this machine only.
fn callable(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map_err(|error| format!("no URL: {error}"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("a URL with a user name or a password would be seen in logs; use secret_file".to_owned());
    }
    let host = parsed.host_str().unwrap_or_default();
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let loopback = literal.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("http:// goes to this machine only (localhost, 127.0.0.1); use https://".to_owned()),
        other => Err(format!("{other}:// is not called; use https://")),
    }
}

fn secret(source: &Source, path: &Located<PathBuf>, notices: &mut Vec<String>) -> Result<Secret, String> {
    use std::os::unix::fs::PermissionsExt;
    let file = source.resolve(path);
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    let mode = std::fs::metadata(&file).map_err(told)?.permissions().mode();
    if mode & 0o077 != 0 {
        let mode = mode & 0o777;
        notices.push(format!("{}: others can read this key (mode {mode:04o}): chmod 0600", file.display()));
    }
    let bytes = std::fs::read(&file).map_err(told)?;
    // An editor ends the line.
    let key = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    if key.is_empty() || key.len() > MAX_SECRET {
        return Err(format!("{}: a key has 1 to {MAX_SECRET} bytes, not {}", file.display(), key.len()));
    }
    Ok(Secret(Arc::from(key)))
}
