//! `firsthop-agent check`: would `run` start with this configuration?

use std::path::{Path, PathBuf};

use firsthop_agent::Credentials;
use firsthop_agent::disk::check_folder;
use firsthop_protocol::Timestamp;
use rustix::fs::{Access, access};

use super::output::{Line, print, table, tell};
use super::run::DEFAULT_CONFIG;
use super::{exit, fail};
use crate::gateway::local::{self, OpenError};
use crate::gateway::settings::Settings;

/// Check a configuration file and all that it names: roots, certificate and key, folders, programs of methods. Sends nothing.
///
/// Run it as the agent's user: what that user may not read or write is among the problems.
///
/// Example: firsthop-agent check -c /etc/firsthop/agent.toml
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(short, long, env = "FIRSTHOP_AGENT_CONFIG", value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    problems: Vec<String>,
    warnings: Vec<String>,
    lines: Vec<Line>,
}

pub fn run(args: &Args) -> u8 {
    let settings = match Settings::load(&args.config) {
        Ok(settings) => settings,
        Err(error) => return fail(exit::CONFIGURATION, &error),
    };
    let mut found = Found::default();
    found.lines.push(("service", settings.device.service.to_string()));
    match settings.device.credentials.load() {
        Ok(credentials) => found.credentials(&credentials, &settings, Timestamp::now()),
        Err(error) => found.problems.push(format!("{:#}", anyhow::Error::from(error))),
    }
    found.state(&settings.device.state);
    found.socket(&settings.local.socket);
    let methods: Vec<&str> = settings.methods.keys().map(String::as_str).collect();
    found.lines.push(("methods", if methods.is_empty() { "none".to_owned() } else { methods.join(", ") }));
    for warning in &found.warnings {
        tell(&format!("warning: {warning}"));
    }
    if !found.problems.is_empty() {
        return fail(exit::CONFIGURATION, &found.problems.join("\nerror: "));
    }
    print(&format!("{}: fine\n{}", args.config.display(), table(&found.lines)));
    exit::OK
}

impl Found {
    fn credentials(&mut self, credentials: &Credentials, settings: &Settings, now: Timestamp) {
        match credentials.registration_id() {
            Some(id) => self.lines.push(("registration", id.to_string())),
            None => self.warnings.push(
                "the certificate's subject has not exactly one common name that is a registration id: the service will refuse it"
                    .to_owned(),
            ),
        }
        let Some(validity) = credentials.validity() else {
            self.warnings.push("the dates of the certificate chain cannot be read".to_owned());
            return;
        };
        self.lines.push(("certificate", format!("until {}", validity.not_after)));
        self.warnings.extend(validity.warning(now, settings.device.warn_before));
    }

    fn state(&mut self, folder: &Path) {
        self.lines.push(("state", folder.display().to_string()));
        if let Err(problem) = check_folder(folder) {
            return self.problems.push(format!("state.folder {problem}"));
        }
        // A folder that is not there is made, so the nearest one that is there has to let us.
        let nearest = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        if let Err(problem) = usable(nearest) {
            self.problems.push(format!("state.folder {}: {problem}", folder.display()));
        }
    }

    fn socket(&mut self, path: &Path) {
        self.lines.push(("socket", path.display().to_string()));
        match local::check(path) {
            Ok(()) => {}
            Err(OpenError::Taken(_)) => return self.lines.push(("agent", "running".to_owned())),
            Err(error) => return self.problems.push(error.to_string()),
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.exists() {
            let folder = folder.display();
            self.warnings
                .push(format!("{folder} is not there: systemd makes it (RuntimeDirectory=), else it has to be made"));
        } else if let Err(problem) = usable(folder) {
            self.problems.push(format!("local.socket {}: {problem}", path.display()));
        }
    }
}

/// Whether this user can make files in a folder.
fn usable(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err(format!("{} is no folder", folder.display()));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("this user cannot write to {}: {error}", folder.display()))
}
