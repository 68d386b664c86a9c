//! The command `firsthop-agent`: one registration or one look-up, for scripts and for people.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::args::Args;
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = match EnvFilter::try_new(args.log()) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: --log {:?}: {error}", args.log());
            return ExitCode::from(cli::exit::USAGE);
        }
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    ExitCode::from(cli::run(args).await)
}
