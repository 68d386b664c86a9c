//! The methods that a hub may call, each a program with fixed arguments.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firsthop_config::{ConfigError, Located, Size, Source};
use firsthop_protocol::DeviceId;

use super::{bounds, file};
use crate::gateway::methods::Method;

/// A hub waits for an answer for five minutes at most.
const LONGEST: Duration = Duration::from_secs(300);
/// Most arguments, the program included.
const MAX_ARGUMENTS: usize = 64;
/// So that an answer with both outputs stays far below the packet that a hub takes.
const MAX_OUTPUT: Size = Size::kib(64);

pub fn methods(
    source: &Source,
    file: &BTreeMap<Located<String>, file::Method>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, Method> {
    let mut methods = BTreeMap::new();
    for (name, method) in file {
        // A name is a level of a topic: it has the alphabet of ids.
        if let Err(error) = DeviceId::parse(name) {
            errors.push(source.error(name.span(), format!("method {:?}: a name {error}", **name)));
        }
        let program = match program(&method.command) {
            Ok(program) => program,
            Err(problem) => {
                errors.push(source.error(method.command.span(), problem));
                PathBuf::new()
            }
        };
        let timeout = bounds::time(source, &method.timeout, Duration::from_millis(100)..=LONGEST, errors);
        let output = bounds::size(source, &method.output, Size::bytes(0)..=MAX_OUTPUT, errors);
        let made = Method {
            program,
            arguments: method.command.iter().skip(1).cloned().collect(),
            timeout,
            output: usize::try_from(output).unwrap_or(usize::MAX),
            answer_first: method.answer_first,
        };
        methods.insert((**name).clone(), made);
    }
    methods
}

/// The program of a command, if it can be run as it stands.
fn program(command: &[String]) -> Result<PathBuf, String> {
    let Some(program) = command.first().map(Path::new) else {
        return Err("a command has at least its program: [\"/usr/bin/program\", \"argument\"]".to_owned());
    };
    if command.len() > MAX_ARGUMENTS {
        return Err(format!("a command has at most {MAX_ARGUMENTS} parts, not {}", command.len()));
    }
    if command.iter().any(|part| part.contains('\0')) {
        return Err("a command cannot have NUL characters".to_owned());
    }
    let shown = program.display();
    if !program.is_absolute() {
        return Err(format!("{shown}: a program is named by its absolute path; there is no shell and no search path"));
    }
    match std::fs::metadata(program) {
        Ok(found) if !found.is_file() => Err(format!("{shown} is no file")),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Err(format!("{shown} is not executable; run `chmod +x {shown}`, or name the interpreter first"))
        }
        Ok(_) => Ok(program.to_owned()),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
