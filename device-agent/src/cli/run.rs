//! `firsthop-agent run`: the daemon.

use std::path::PathBuf;

use super::{exit, fail, runtime};
use crate::gateway::{self, Origin, RunError};

/// Where the configuration is, unless somebody says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/firsthop/agent.toml";

/// Run the agent until SIGTERM or Ctrl-C: registered, on its hub, and back there whatever happens.
///
/// SIGHUP reads the configuration again, SIGUSR1 registers again. Settings of the file can be overridden by variables such as
/// FIRSTHOP_AGENT__SERVICE__HOST, with two underscores before each part.
///
/// Example: firsthop-agent run -c /etc/firsthop/agent.toml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(short, long, env = "FIRSTHOP_AGENT_CONFIG", value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

pub fn run(args: &Args, filter: Option<String>) -> u8 {
    let origin = Origin { file: args.config.clone(), filter };
    let ended = match runtime() {
        Ok(runtime) => runtime.block_on(gateway::run(origin)),
        Err(error) => return fail(exit::FAILURE, &error),
    };
    match ended {
        Ok(()) => exit::OK,
        Err(error @ (RunError::Configuration(_) | RunError::Log(_))) => fail(exit::CONFIGURATION, &error),
        // Another start may succeed: files and folders can come later than the agent.
        Err(error) => fail(exit::FAILURE, &format!("{:#}", anyhow::Error::from(error))),
    }
}
