//! `firsthop check`: would `serve` start with this configuration?

use std::path::PathBuf;

use firsthop_protocol::Timestamp;

use super::{Exit, fail};
use crate::front::tls;
use crate::settings::Settings;

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
    let (book, hubs) = (&settings.declared.book, &settings.declared.hubs);
    println!("{}: fine", arguments.config.display());
    println!("  listens on   {}", settings.listener.address);
    println!("  store        {}", settings.store.display());
    println!("  enrollments  {}", book.len());
    println!("  hubs         {}", hubs.iter().count());
    let now = Timestamp::now();
    if let Some(notice) = tls::notice(&settings.tls, now) {
        println!("  warning: server: {notice}");
    }
    for entry in book.iter() {
        for certificate in entry.certificates.iter() {
            if let Some(warning) = certificate.notice(now) {
                println!("  warning: {}: {warning}", entry.name);
            }
        }
    }
    if hubs.iter().all(|hub| hub.drained) {
        println!("  warning: no hub takes new devices: every registration will be refused with 503");
    }
    Exit::Done
}
