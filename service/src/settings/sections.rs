//! What the sections of the file have to keep, alone and together, and where the files are that they name.

use firsthop_config::{ConfigError, Source, Span};

use super::File;
use crate::{admin, remote, webhook};

/// Every mistake in what is not a declaration.
pub fn problems(source: &Source, file: &File) -> Vec<ConfigError> {
    let nowhere = |problem| source.error(Span::default(), problem);
    let sections = file
        .limits
        .problems()
        .into_iter()
        .chain(file.bus.check().err().map(|error| error.to_string()))
        .chain(file.webhook.problems())
        .chain(file.hub_client.iter().flat_map(remote::ClientConfig::problems));
    let mut errors: Vec<ConfigError> = sections.map(nowhere).collect();
    if let Some(port) = &file.hub_port {
        errors.extend(port.problems().into_iter().map(|problem| source.error(port.span(), problem)));
    }
    if file.provisioning.enabled {
        errors.extend(file.hub_port.as_ref().map(|port| {
            let message = "the hub port is for a process with hubs only (provisioning.enabled = false)";
            source.error(port.span(), message)
        }));
    } else {
        errors.extend(hubs_only(file).map(nowhere));
    }
    errors
}

/// What a process with hubs only must have, and what it must not have.
fn hubs_only(file: &File) -> impl Iterator<Item = String> {
    const MODE: &str = "in a process with hubs only (provisioning.enabled = false)";
    let needs = [
        (file.hub_port.is_none(), "[hub_port], through which the service reaches its hubs,"),
        (file.hubs.is_empty(), "[[hubs]]"),
    ];
    let foreign = [
        (!file.groups.is_empty(), "[[groups]]"),
        (!file.individuals.is_empty(), "[[individuals]]"),
        (!file.models.is_empty(), "[[models]]"),
        (file.hub_client.is_some(), "[hub_client]"),
    ];
    let needs = needs.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| format!("{what} is needed {MODE}"));
    let foreign = foreign
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, what)| format!("{what} belongs to the provisioning service: there is none {MODE}"));
    needs.chain(foreign)
}

pub fn hub_port(source: &Source, config: remote::ServerConfig) -> remote::ServerConfig {
    remote::ServerConfig {
        certificate: source.resolve(&config.certificate),
        key: source.resolve(&config.key),
        client_ca: source.resolve(&config.client_ca),
        ..config
    }
}

pub fn hub_client(source: &Source, config: remote::ClientConfig) -> remote::ClientConfig {
    remote::ClientConfig {
        certificate: source.resolve(&config.certificate),
        key: source.resolve(&config.key),
        ca: source.resolve(&config.ca),
        ..config
    }
}

pub fn webhook(source: &Source, config: webhook::Config) -> webhook::Config {
    webhook::Config { ca: config.ca.map(|path| source.resolve(&path)), ..config }
}

pub fn admin(source: &Source, config: admin::Config) -> admin::Config {
    admin::Config { socket: config.socket.map(|path| source.resolve(&path)) }
}
