//! The command line's grammar and help.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use firsthop_certs::{Defect, KeyKind};

/// Make a development PKI: authorities, device and server certificates, and broken ones for tests.
///
/// Certificates go to STEM.pem (0644, a chain without its root), keys to STEM.key (0600).
#[derive(Debug, Parser)]
#[command(name = "firsthop-certs", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Example:
  firsthop-certs root --cn 'Factory Root' --out pki
  firsthop-certs intermediate --ca pki/root --cn 'Line 1' --out pki --stem line-1
  firsthop-certs device --ca pki/line-1 --id dev-0001 --out pki/devices
  firsthop-certs server --ca pki/root --san localhost --san 127.0.0.1 --out pki

Exit status: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a root authority
    #[command(after_help = "Example:\n  firsthop-certs root --cn 'Factory Root' --out pki --key-kind p384")]
    Root {
        /// Common name of the authority
        #[arg(long)]
        cn: String,
        /// How many authorities may stand between this one and a leaf [default: no limit]
        #[arg(long)]
        path_length: Option<u8>,
        /// Days from now until it expires
        #[arg(long, default_value_t = 3650)]
        days: u32,
        /// Name of the files, without extension
        #[arg(long, default_value = "root")]
        stem: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make an authority below another
    #[command(
        after_help = "Example:\n  firsthop-certs intermediate --ca pki/root --cn 'Line 1' --out pki --stem line-1"
    )]
    Intermediate {
        #[command(flatten)]
        signer: Signer,
        /// Common name of the authority
        #[arg(long)]
        cn: String,
        /// How many authorities may stand between this one and a leaf [default: no limit]
        #[arg(long)]
        path_length: Option<u8>,
        /// Days from now until it expires
        #[arg(long, default_value_t = 1825)]
        days: u32,
        /// Name of the files, without extension
        #[arg(long, default_value = "intermediate")]
        stem: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make a device certificate
    #[command(after_help = "Example:\n  firsthop-certs device --ca pki/line-1 --id dev-0001 --out pki/devices")]
    Device {
        #[command(flatten)]
        signer: Signer,
        #[command(flatten)]
        subject: Subject,
        /// Days from now until it expires
        #[arg(long, default_value_t = 365)]
        days: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Make a server certificate
    #[command(after_help = "Example:\n  firsthop-certs server --ca pki/root --san localhost --san 127.0.0.1 --out pki")]
    Server {
        #[command(flatten)]
        signer: Signer,
        /// DNS name or IP address of the server; may be repeated
        #[arg(long = "san", value_name = "NAME", required = true)]
        sans: Vec<String>,
        /// Days from now until it expires
        #[arg(long, default_value_t = 365)]
        days: u32,
        /// Name of the files, without extension
        #[arg(long, default_value = "server")]
        stem: String,
        #[command(flatten)]
        output: Output,
    },
    /// Make a device certificate that must be refused
    #[command(
        after_help = "Example:\n  firsthop-certs broken --ca pki/line-1 --id dev-expired --defect expired --out pki/devices"
    )]
    Broken {
        #[command(flatten)]
        signer: Signer,
        #[command(flatten)]
        subject: Subject,
        /// What is to be wrong with it
        #[arg(long, value_parser = defects())]
        defect: Defect,
        #[command(flatten)]
        place: Place,
    },
    /// Make a whole small PKI: root, group authority, server, devices
    #[command(after_help = "Example:\n  firsthop-certs pki --out pki --devices 20 --san localhost

Makes root, group (below root), server and devices/dev-0001 and so on (below group).")]
    Pki {
        /// How many devices
        #[arg(long, default_value_t = 3)]
        devices: u32,
        /// DNS name or IP address of the server; may be repeated
        #[arg(long = "san", value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])]
        sans: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The authority that signs: the path of its files without extension, as in pki/root
    #[arg(long, value_name = "STEM")]
    pub(crate) ca: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// Registration id of the device; becomes the common name exactly as given
    #[arg(long, value_name = "REGISTRATION_ID")]
    pub(crate) id: String,
    /// Name of the files, without extension [default: the registration id]
    #[arg(long)]
    pub(crate) stem: Option<String>,
}

impl Subject {
    pub(crate) fn stem(&self) -> &str {
        self.stem.as_deref().unwrap_or(&self.id)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Algorithm of the new key
    #[arg(long, default_value = KeyKind::default().name(), value_parser = key_kinds())]
    pub(crate) key_kind: KeyKind,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Directory for the files; made (0700) if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

fn key_kinds() -> impl TypedValueParser<Value = KeyKind> {
    PossibleValuesParser::new(KeyKind::ALL.map(KeyKind::name)).try_map(|name| name.parse())
}

fn defects() -> impl TypedValueParser<Value = Defect> {
    let values = Defect::ALL.map(|defect| PossibleValue::new(defect.name()).help(defect.description()));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}
