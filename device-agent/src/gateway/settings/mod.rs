//! The agent's configuration file: what it may say, and what it means. Every mistake is told with its file and line, all of them at once.

mod bounds;
mod device;
mod file;
mod methods;
mod register;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use firsthop_agent::device::DeviceConfig;
use firsthop_config::{ConfigError, Loaded, Source, Span};

use super::local::user;
use super::logging;
use super::methods::Method;
use file::File;

/// Environment variables that begin so override the file. Options of the command line have one underscore there, and none of them begins
/// with another.
pub const ENVIRONMENT: &str = "FIRSTHOP_AGENT__";

/// The longest path of a socket: the system takes 107 bytes, and it is made in a folder beside its place first.
const MAX_SOCKET_PATH: usize = 90;

/// A configuration that was read and checked.
#[derive(Debug)]
pub struct Settings {
    pub device: DeviceConfig,
    pub local: Local,
    pub methods: BTreeMap<String, Method>,
    pub log: logging::Config,
}

/// The local socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where it is.
    pub socket: PathBuf,
    /// The users who may reprovision, besides the agent's own.
    pub managers: Vec<u32>,
}

impl Settings {
    /// Reads a file and the environment's overrides, and the roots that the file names. Blocks.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::of(firsthop_config::load(path, firsthop_config::environment(ENVIRONMENT)?, ENVIRONMENT)?)
    }

    fn of(Loaded { value: file, source }: Loaded<File>) -> Result<Self, ConfigError> {
        let mut errors = Vec::new();
        let local = local(&source, &file.local, &mut errors);
        let methods = methods::methods(&source, &file.methods, &mut errors);
        if let Err(error) = logging::filter(&file.log.filter) {
            errors.push(source.error(file.log.filter.span(), format!("no filter: {error}")));
        }
        if let Err(problem) = file.log.format.check() {
            errors.push(source.error(file.log.format.span(), problem));
        }
        let log = file.log.clone();
        let device = device::device(&source, file, &mut errors);
        ConfigError::many(errors)?;
        match device {
            Some(device) => Ok(Self { device, local, methods, log }),
            // What keeps a device from being made is told among the errors.
            None => Err(source.error(Span::default(), "the device cannot be made of this")),
        }
    }
}

fn local(source: &Source, file: &file::Local, errors: &mut Vec<ConfigError>) -> Local {
    let socket = source.resolve(&file.socket);
    let len = socket.as_os_str().as_bytes().len();
    if len > MAX_SOCKET_PATH || file.socket.as_os_str().is_empty() {
        let problem = format!("the path of the socket must have 1 to {MAX_SOCKET_PATH} bytes, not {len}");
        errors.push(source.error(file.socket.span(), problem));
    }
    let mut managers = Vec::new();
    for name in &file.managers {
        match user::id(name) {
            Ok(id) if managers.contains(&id) => {
                errors.push(source.error(name.span(), format!("user {} is there twice", **name)));
            }
            Ok(id) => managers.push(id),
            Err(error) => errors.push(source.error(name.span(), error.to_string())),
        }
    }
    Local { socket, managers }
}

/// The path below the file's folder, if there is such a file.
fn existing(source: &Source, path: &Path, span: Span, errors: &mut Vec<ConfigError>) -> PathBuf {
    let resolved = source.resolve(path);
    match std::fs::metadata(&resolved) {
        Ok(found) if found.is_file() => {}
        Ok(_) => errors.push(source.error(span, format!("{} is no file", resolved.display()))),
        Err(error) => errors.push(source.error(span, format!("{}: {error}", resolved.display()))),
    }
    resolved
}

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;
