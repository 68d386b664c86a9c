//! `firsthop check`: would `serve` start with this configuration?

use std::path::PathBuf;

use firsthop_protocol::Timestamp;

use super::{Exit, fail, output};
use crate::domain::hub::{HubKind, Place};
use crate::front::tls;
use crate::remote::RemoteHub;
use crate::settings::Settings;
use crate::webhook;

/// Check a configuration file, and the certificates, keys and schemas that it names.
///
/// Example: firsthop check -c /etc/firsthop/firsthop.toml
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(short, long, env = "FIRSTHOP_CONFIG", value_name = "FILE", default_value = "/etc/firsthop/firsthop.toml")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> Exit {
    let settings = match Settings::load(&arguments.config) {
        Ok(settings) => settings,
        Err(error) => return fail(Exit::Configuration, &error),
    };
    if let Err(error) = crate::logging::filter(&settings.log.filter) {
        return fail(Exit::Configuration, &format!("log.filter: {error}"));
    }
    if let Err(error) = tls::server_config(&settings.tls) {
        return fail(Exit::Configuration, &error);
    }
    if let Err(error) = reach(&settings) {
        return fail(Exit::Configuration, &error);
    }
    let (book, hubs) = (&settings.declared.book, &settings.declared.hubs);
    output::say(format_args!("{}: fine", arguments.config.display()));
    if settings.provisioning.enabled {
        output::say(format_args!("  listens on   {}", settings.listener.address));
    }
    if let Some(port) = &settings.hub_port {
        output::say(format_args!("  hub port     {}", port.listen));
    }
    output::say(format_args!("  store        {}", settings.store.display()));
    output::say(format_args!("  enrollments  {}", book.len()));
    output::say(format_args!("  hubs         {}", hubs.iter().count()));
    for hub in hubs.iter() {
        output::say(format_args!("    {:<10} {}, {}", hub.name.as_str(), hub, kind(&hub.kind)));
    }
    let now = Timestamp::now();
    for notice in &settings.notices {
        output::say(format_args!("  warning: {notice}"));
    }
    if let Some(notice) = tls::notice(&settings.tls, now) {
        output::say(format_args!("  warning: server: {notice}"));
    }
    for entry in book.iter() {
        for certificate in entry.certificates.iter() {
            if let Some(warning) = certificate.notice(now) {
                output::say(format_args!("  warning: {}: {warning}", entry.name));
            }
        }
    }
    if settings.provisioning.enabled && hubs.iter().all(|hub| hub.drained) {
        output::say("  warning: no hub takes new devices: every registration will be refused with 503");
    }
    Exit::Done
}

/// What `serve` would make of certificates and addresses besides those of the device port.
fn reach(settings: &Settings) -> anyhow::Result<()> {
    for config in settings.hub_tls.values() {
        tls::server_config(config)?;
    }
    if !settings.provisioning.enabled {
        return Ok(());
    }
    webhook::Caller::new(&settings.webhook)?;
    for hub in settings.declared.hubs.iter() {
        if let (HubKind::Remote { url }, Some(client)) = (&hub.kind, &settings.hub_client) {
            RemoteHub::new(hub.name.clone(), url, client)?;
        }
    }
    Ok(())
}

fn kind(kind: &HubKind) -> String {
    match kind {
        HubKind::External => "an address only".to_owned(),
        HubKind::Embedded(Place::Own(listen)) => format!("listens on {listen}"),
        HubKind::Embedded(Place::Shared) => "on the listener's port".to_owned(),
        HubKind::Remote { url } => format!("reached at {url}"),
    }
}
