//! The part of the file that is the device's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use firsthop_agent::device::DeviceConfig;
use firsthop_agent::disk::OutboxLimits;
use firsthop_agent::flow::Policy;
use firsthop_agent::{Endpoint, SetupError, TrustedRoots, keys};
use firsthop_config::{ConfigError, Located, Size, Source, Span};

use super::file::{self, File};
use super::{bounds, existing, register};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `None` only if there are errors.
pub fn device(source: &Source, file: File, errors: &mut Vec<ConfigError>) -> Option<DeviceConfig> {
    let policy = policy(source, &file, errors);
    let outbox = OutboxLimits {
        messages: bounds::within(source, &file.outbox.messages, 1..=10_000_000, errors),
        // The least is room for one message of the largest size.
        bytes: bounds::size(source, &file.outbox.size, Size::kib(256)..=Size::mib(64 * 1024), errors),
        when_full: file.outbox.when_full.into(),
    };
    let timeout = bounds::time(source, &file.mqtt.timeout, SECOND..=120 * SECOND, errors);
    let keep_alive = bounds::time(source, &file.hub.keep_alive, SECOND..=HOUR, errors);
    let register = register::register(source, file.provisioning, errors);
    let roots = roots(source, &file.service.ca, errors);
    let hub_roots = match &file.hub.ca {
        Some(path) => self::roots(source, path, errors),
        None => roots.clone(),
    };
    let service = roots.and_then(|roots| endpoint(source, &file.service, roots, errors));
    let certificate = existing(source, &file.identity.certificate, file.identity.certificate.span(), errors);
    let key = &file.identity.key;
    if !keys::is_uri(key) {
        existing(source, Path::new(&**key), key.span(), errors);
    }
    let credentials = match keys::source(&source.resolve(Path::new("")), &certificate, key) {
        Ok(credentials) => Some(credentials),
        Err(error) => {
            errors.push(source.error(key.span(), told(error)));
            None
        }
    };
    Some(DeviceConfig {
        service: service?,
        hub_roots: hub_roots?,
        credentials: credentials?,
        state: source.resolve(&file.state.folder),
        policy,
        register,
        mqtt: file.mqtt.version.into(),
        timeout,
        keep_alive,
        outbox,
        warn_before: file.identity.warn_before,
    })
}

fn policy(source: &Source, file: &File, errors: &mut Vec<ConfigError>) -> Policy {
    let provisioning = &file.provisioning;
    // Rule D3: five seconds are the least after a 5xx.
    let first_wait = bounds::time(source, &provisioning.first_wait, 5 * SECOND..=HOUR, errors);
    let longest_wait = bounds::time(source, &provisioning.longest_wait, first_wait..=DAY, errors);
    let refused_wait = bounds::time(source, &provisioning.refused_wait, first_wait..=7 * DAY, errors);
    let patience = bounds::time(source, &provisioning.patience, SECOND..=7 * DAY, errors);
    Policy {
        mode: provisioning.mode.into(),
        look_up_first: provisioning.look_up_first,
        first_wait,
        longest_wait,
        refused_wait,
        patience,
        allowed_hubs: allowed_hubs(source, &file.hub.allowed, errors),
    }
}

/// Hosts, and suffixes that begin with a dot.
fn allowed_hubs(source: &Source, allowed: &[Located<String>], errors: &mut Vec<ConfigError>) -> Vec<String> {
    let mut hubs: Vec<String> = Vec::new();
    for pattern in allowed {
        let host = pattern.strip_prefix('.').unwrap_or(pattern);
        let lower = pattern.to_ascii_lowercase();
        let problem = if pattern.contains('*') {
            Some("write \".example.com\" for every host below example.com".to_owned())
        } else if rustls_pki_types::ServerName::try_from(host).is_err() {
            Some(format!("{:?} is neither a host nor a suffix such as \".example.com\"", **pattern))
        } else if hubs.contains(&lower) {
            Some(format!("{lower} is there twice"))
        } else {
            None
        };
        match problem {
            Some(problem) => errors.push(source.error(pattern.span(), problem)),
            None => hubs.push(lower),
        }
    }
    hubs
}

fn roots(source: &Source, path: &Located<PathBuf>, errors: &mut Vec<ConfigError>) -> Option<TrustedRoots> {
    match TrustedRoots::from_pem_file(source.resolve(path)) {
        Ok(roots) => Some(roots),
        Err(error) => {
            errors.push(source.error(path.span(), told(error)));
            None
        }
    }
}

fn endpoint(
    source: &Source,
    service: &file::Service,
    roots: TrustedRoots,
    errors: &mut Vec<ConfigError>,
) -> Option<Endpoint> {
    let mut refuse = |span: Span, problem: String| errors.push(source.error(span, problem));
    if *service.port == 0 {
        refuse(service.port.span(), "port 0 is none: the provisioning endpoint usually has 8883".to_owned());
    }
    let endpoint = match Endpoint::new(&service.host, *service.port, roots) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            refuse(service.host.span(), told(error));
            None
        }
    };
    let Some(name) = &service.server_name else { return endpoint };
    match endpoint?.with_server_name(name) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            refuse(name.span(), told(error));
            None
        }
    }
}

/// The error with its cause.
fn told(error: SetupError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
