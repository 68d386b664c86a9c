//! What a twin may hold. Sizes are counted as Azure IoT Hub counts them, except that control characters, and the brackets of maps and
//! arrays, are not free: otherwise a twin within the limit could have any size.

use serde_json::{Map, Number, Value};

use firsthop_protocol::document::kind;

/// How many maps and arrays may nest below a part.
const MAX_DEPTH: usize = 10;
const MAX_KEY_BYTES: usize = 1024;
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// Integers are kept exactly by whatever reads them as floating-point numbers.
const MAX_INTEGER: u64 = 1 << 52;
/// Most of a path that a message shows.
const MAX_SHOWN: usize = 128;

/// A part of a twin, with limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Tags,
    Desired,
    Reported,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Desired => "desired",
            Self::Reported => "reported",
        }
    }

    const fn max_bytes(self) -> usize {
        match self {
            Self::Tags => 8 * 1024,
            Self::Desired | Self::Reported => 32 * 1024,
        }
    }
}

/// Why a twin is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    #[error("the patch is no JSON map: {0}")]
    Malformed(String),
    #[error("the patch has {0} bytes; at most {max} are allowed", max = super::MAX_PATCH_BYTES)]
    PatchSize(usize),
    #[error("{part} must be a map, not {found}")]
    NoMap { part: &'static str, found: &'static str },
    #[error("{path}: a key {rule}")]
    Key { path: String, rule: KeyRule },
    #[error("{path}: nested deeper than {MAX_DEPTH} levels")]
    Depth { path: String },
    #[error("{path}: a text of {len} bytes; at most {MAX_TEXT_BYTES} are allowed")]
    Text { path: String, len: usize },
    #[error("{path}: the integer {found} is outside -{MAX_INTEGER} to {MAX_INTEGER}")]
    Integer { path: String, found: Number },
    #[error("{part}: {found} bytes together; at most {max} are allowed")]
    Size { part: &'static str, found: usize, max: usize },
    /// Not a limit: somebody else changed it first.
    #[error("the properties are at $version {found}, not at {expected}; read them again and decide again")]
    Version { expected: u64, found: u64 },
}

/// What a key has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRule {
    #[error("has 1 to {MAX_KEY_BYTES} bytes, not {0}")]
    Length(usize),
    #[error("may not hold {0:?} (control characters, '.', '$' and the space are not allowed)")]
    Character(char),
}

impl TwinError {
    pub(super) fn no_map(part: Part, found: &Value) -> Self {
        Self::NoMap { part: part.name(), found: kind(found) }
    }
}

/// Judges what somebody wants to write: every key and value in it, also those that only remove.
pub(super) fn judge_patch(part: Part, patch: &Map<String, Value>) -> Result<(), TwinError> {
    Judge { path: vec![part.name().to_owned()] }.map(patch)
}

/// Judges what it came to: the part's size.
pub(super) fn judge(part: Part, properties: &Map<String, Value>) -> Result<(), TwinError> {
    let found = map_size(properties);
    match part.max_bytes() {
        max if found > max => Err(TwinError::Size { part: part.name(), found, max }),
        _ => Ok(()),
    }
}

struct Judge {
    path: Vec<String>,
}

impl Judge {
    fn map(&mut self, map: &Map<String, Value>) -> Result<(), TwinError> {
        for (key, value) in map {
            if let Err(rule) = judge_key(key) {
                self.path.push(key.clone());
                return Err(TwinError::Key { path: self.path(), rule });
            }
            self.below(key.clone(), value)?;
        }
        Ok(())
    }

    fn below(&mut self, step: String, value: &Value) -> Result<(), TwinError> {
        self.path.push(step);
        self.value(value)?;
        self.path.pop();
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), TwinError> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) if is_too_large(number) => {
                Err(TwinError::Integer { path: self.path(), found: number.clone() })
            }
            Value::Number(_) => Ok(()),
            Value::String(text) if text.len() > MAX_TEXT_BYTES => {
                Err(TwinError::Text { path: self.path(), len: text.len() })
            }
            Value::String(_) => Ok(()),
            // The part itself is the path's first step and no level.
            Value::Array(_) | Value::Object(_) if self.path.len() > MAX_DEPTH + 1 => {
                Err(TwinError::Depth { path: self.path() })
            }
            Value::Array(values) => {
                values.iter().enumerate().try_for_each(|(at, value)| self.below(at.to_string(), value))
            }
            Value::Object(map) => self.map(map),
        }
    }

    /// Shortened, and without what would spoil a log.
    fn path(&self) -> String {
        let path = self.path.join(".");
        let shown: String = path.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
        if path.chars().count() > MAX_SHOWN { format!("{shown}…") } else { shown }
    }
}

fn judge_key(key: &str) -> Result<(), KeyRule> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(KeyRule::Length(key.len()));
    }
    match key.chars().find(|c| c.is_control() || matches!(c, '.' | '$' | ' ')) {
        Some(found) => Err(KeyRule::Character(found)),
        None => Ok(()),
    }
}

fn is_too_large(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => integer.unsigned_abs() > MAX_INTEGER,
        (None, Some(integer)) => integer > MAX_INTEGER,
        (None, None) => false,
    }
}

fn map_size(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| key.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(values) => 2 + values.iter().map(size).sum::<usize>(),
        Value::Object(map) => 2 + map_size(map),
    }
}
