//! Loads a TOML file and its environment overrides, and says where a mistake is.
//!
//! The settings themselves are defined by the modules that use them; this crate only knows how to read them:
//!
//! ```text
//! file ──> spanned tree ──> + environment ──> check of tree  ──> T        (value)
//!                                                               Source   (where each part of it came from)
//! ```
//!
//! Every error names the place: `firsthop.toml:12:3: ...` with the line and a caret under the mistake, or
//! `environment variable FIRSTHOP__HUBS__BERLIN__PORT: ...`. A value that the service checks itself is wrapped in
//! [`Located`], so that [`Source::error`] can point at it as well.
//!
//! # Environment overrides
//!
//! `FIRSTHOP__LISTENER__MQTT__PORT=8883` sets the key `listener.mqtt.port`, whether or not the file has it:
//!
//! - the name after the prefix is split at `__` and lower-cased; a single `_` belongs to the key;
//! - only tables can be entered. The elements of an array, and keys of the file that have upper-case letters, cannot be
//!   named; the variable then has to set the whole array or table, which replaces that of the file;
//! - the value is read as TOML (`8883`, `true`, `["a", "b"]`, `{ port = 1 }`, `"text"`). If it is not TOML, or if the
//!   setting refuses what was read, it is taken as plain text. So `TOKEN=123` works for a setting that wants text. Only
//!   where a setting takes both numbers and text must text be quoted: `"123"`.
//!
//! # Relative paths
//!
//! A relative path in a file is relative to the folder of that file, see [`Source::resolve`].

pub mod duration;
mod error;
mod explain;
mod file;
mod located;
mod merge;
mod nesting;
mod overrides;
pub mod rate;
mod size;
mod source;

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

pub use error::{ConfigError, Problem};
pub use file::MAX_FILE_BYTES;
pub use located::Located;
pub use overrides::environment;
pub use rate::{Rate, RateError};
pub use size::{Size, SizeError};
pub use source::{Location, Source, Span};

use overrides::Overrides;

/// A configuration and the text it came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    pub value: T,
    pub source: Source,
}

/// Reads the file at `path`, applies the variables of `env` whose names begin with `prefix`, and deserialises.
///
/// [`environment`] gives the variables of this process.
pub fn load<T: DeserializeOwned>(
    path: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    prefix: &str,
) -> Result<Loaded<T>, ConfigError> {
    let text = file::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    read(&text, &path.display().to_string(), folder, env, prefix)
}

/// As [`load`], for a text that is already in memory; `origin_name` stands for the file name in errors.
pub fn parse<T: DeserializeOwned>(
    text: &str,
    origin_name: &str,
    env: impl IntoIterator<Item = (String, String)>,
    prefix: &str,
) -> Result<Loaded<T>, ConfigError> {
    read(text, origin_name, Path::new(""), env, prefix)
}

fn read<T: DeserializeOwned>(
    text: &str,
    name: &str,
    folder: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    prefix: &str,
) -> Result<Loaded<T>, ConfigError> {
    let mut source = Source::new(name, text, folder);
    let file = nesting::parse_table(text).map_err(|e| source.error(e.span, e.message))?;
    let mut overrides = Overrides::collect(env, prefix, &mut source)?;

    // A variable whose TOML reading is refused is tried once more as plain text, hence the loop. It ends, because each
    // turn but the last takes one variable from the finite number of those still read as TOML.
    let mut refused: Option<(Span, ConfigError)> = None;
    loop {
        let tree = merge::merged(&file, &overrides, &source)?;
        let error = match T::deserialize(Deserializer::from(Spanned::new(0..0, tree.clone()))) {
            Ok(value) => return Ok(Loaded { value, source }),
            Err(error) => error,
        };
        let span = error.span().map(Span::from).unwrap_or_default();
        if let Some((at, first)) = refused.take()
            && at.contains(span)
        {
            // Neither reading fits; what was said of the value as it looks is the better answer.
            return Err(first);
        }
        let report = report(&error, span, &tree, &source, &overrides);
        // It borrows the values that may be about to change.
        drop(tree);
        match overrides.take_as_text(span) {
            Some(value_span) => refused = Some((value_span, report)),
            None => return Err(report),
        }
    }
}

fn report(
    error: &toml::de::Error,
    span: Span,
    tree: &DeTable<'_>,
    source: &Source,
    overrides: &Overrides,
) -> ConfigError {
    let mut message = explain::explain(error.message(), merge::table_of_key(tree, span).as_deref());
    if let Some(note) = overrides.note(span) {
        message.push_str(&note);
    }
    source.error(span, message)
}

#[cfg(test)]
mod tests;
