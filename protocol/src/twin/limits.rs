//! What a twin may hold. Sizes are counted as Azure IoT Hub counts them, except that control characters, and the brackets of maps and
//! arrays, are not free: otherwise a twin within the limit could have any size.

use serde_json::{Map, Number, Value};

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
pub enum Part {
    /// What the back end says of the device, and the device does not see.
    Tags,
    /// What the back end wants of the device.
    Desired,
    /// What the device says of itself.
    Reported,
}

impl Part {
    /// Its name in a twin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Desired => "desired",
            Self::Reported => "reported",
        }
    }

    /// The most bytes that it may have, as [`size`] counts them.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Tags => 8 * 1024,
            Self::Desired | Self::Reported => 32 * 1024,
        }
    }
}

/// What is not within the limits, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A key.
    #[error("{path}: a key {rule}")]
    Key {
        /// The key and what it is below.
        path: String,
        /// What it has to keep.
        rule: KeyRule,
    },
    /// Maps and arrays within each other.
    #[error("{path}: nested deeper than {MAX_DEPTH} levels")]
    Depth {
        /// The first one that is too deep.
        path: String,
    },
    /// A text.
    #[error("{path}: a text of {len} bytes; at most {MAX_TEXT_BYTES} are allowed")]
    Text {
        /// Where it is.
        path: String,
        /// Its bytes.
        len: usize,
    },
    /// An integer.
    #[error("{path}: the integer {found} is outside -{MAX_INTEGER} to {MAX_INTEGER}")]
    Integer {
        /// Where it is.
        path: String,
        /// The integer.
        found: Number,
    },
    /// A whole part.
    #[error("{part}: {found} bytes together; at most {max} are allowed")]
    Size {
        /// Its name.
        part: &'static str,
        /// Its bytes.
        found: usize,
        /// The most.
        max: usize,
    },
}

/// What a key has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRule {
    /// Its length, which is this.
    #[error("has 1 to {MAX_KEY_BYTES} bytes, not {0}")]
    Length(usize),
    /// A character that it holds.
    #[error("may not hold {0:?} (control characters, '.', '$' and the space are not allowed)")]
    Character(char),
}

/// Judges what somebody wants to write: every key and value in it, also those that only remove.
pub fn judge_patch(part: Part, patch: &Map<String, Value>) -> Result<(), LimitError> {
    Judge { path: vec![part.name().to_owned()] }.map(patch)
}

/// Judges what it came to: the part's size.
pub fn judge(part: Part, properties: &Map<String, Value>) -> Result<(), LimitError> {
    let found = size(properties);
    match part.max_bytes() {
        max if found > max => Err(LimitError::Size { part: part.name(), found, max }),
        _ => Ok(()),
    }
}

struct Judge {
    path: Vec<String>,
}

impl Judge {
    fn map(&mut self, map: &Map<String, Value>) -> Result<(), LimitError> {
        for (key, value) in map {
            if let Err(rule) = judge_key(key) {
                self.path.push(key.clone());
                return Err(LimitError::Key { path: self.path(), rule });
            }
            self.below(key.clone(), value)?;
        }
        Ok(())
    }

    fn below(&mut self, step: String, value: &Value) -> Result<(), LimitError> {
        self.path.push(step);
        self.value(value)?;
        self.path.pop();
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), LimitError> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) if is_too_large(number) => {
                Err(LimitError::Integer { path: self.path(), found: number.clone() })
            }
            Value::Number(_) => Ok(()),
            Value::String(text) if text.len() > MAX_TEXT_BYTES => {
                Err(LimitError::Text { path: self.path(), len: text.len() })
            }
            Value::String(_) => Ok(()),
            // The part itself is the path's first step and no level.
            Value::Array(_) | Value::Object(_) if self.path.len() > MAX_DEPTH + 1 => {
                Err(LimitError::Depth { path: self.path() })
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

/// The bytes of properties, as they are counted.
pub fn size(properties: &Map<String, Value>) -> usize {
    properties.iter().map(|(key, value)| key.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(values) => 2 + values.iter().map(value_size).sum::<usize>(),
        Value::Object(map) => 2 + size(map),
    }
}
