//! `firsthop cert`: what the service thinks of a certificate.

use std::path::PathBuf;

use firsthop_protocol::Timestamp;

use super::{Exit, fail, output};
use crate::domain::attestation;
use crate::domain::book::Book;
use crate::front::tls;
use crate::settings::Settings;

/// Certificates.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Explain(Explain),
}

/// Judge a device's certificate chain as the service would: draw it, mark what is wrong, name the enrollment that decides.
///
/// Example: firsthop cert explain device.pem -c /etc/firsthop/firsthop.toml
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// PEM file with the chain as the device sends it, leaf first.
    chain: PathBuf,
    /// The configuration file with the enrollments. Without it the chain is judged against no enrollment.
    #[arg(short, long, env = "FIRSTHOP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print.
    #[arg(short, long, env = "FIRSTHOP_OUTPUT", value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub fn run(command: &Command) -> Exit {
    let Command::Explain(arguments) = command;
    let chain = match tls::certificates(&arguments.chain) {
        Ok(chain) => chain,
        Err(error) => return fail(Exit::Failure, &error),
    };
    let book = match &arguments.config {
        None => Book::default(),
        Some(path) => match Settings::load(path) {
            Ok(settings) => settings.declared.book,
            Err(error) => return fail(Exit::Configuration, &error),
        },
    };
    let explanation = attestation::explain(&chain, &book, Timestamp::now());
    match arguments.output {
        Output::Text => output::say(explanation.to_string().trim_end()),
        Output::Json => match serde_json::to_string_pretty(&explanation) {
            Ok(text) => output::say(text),
            Err(error) => return fail(Exit::Failure, &error),
        },
    }
    if explanation.is_accepted() { Exit::Done } else { Exit::Refused }
}
