//! Environment variables as keys and values, with spans behind the file's text.

use std::env;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::error::{ConfigError, Problem};
use crate::nesting;
use crate::source::{Location, Source, Span};

const SEPARATOR: &str = "__";
const MAX_SEGMENTS: usize = 16;

/// The variables of this process whose names begin with `prefix`.
///
/// Unlike `std::env::vars` it does not panic when some other variable is not Unicode.
pub fn environment(prefix: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut found = Vec::new();
    for (name, value) in env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        if !name.starts_with(prefix) {
            continue;
        }
        let value = value.into_string().map_err(|_| refuse(&name, "the value is not UTF-8".to_owned()))?;
        found.push((name, value));
    }
    Ok(found)
}

/// All overrides, ordered by key: `A` comes before `A__B` and may be refined by it.
pub(crate) struct Overrides {
    items: Vec<Override>,
}

pub(crate) struct Override {
    pub(crate) variable: Arc<str>,
    pub(crate) path: Vec<Segment>,
    value: String,
    value_span: Span,
    reading: Reading,
}

pub(crate) struct Segment {
    pub(crate) key: String,
    pub(crate) span: Span,
}

enum Reading {
    /// As it looks: a number, a truth value, an array, a table, a quoted text, a date.
    Toml { quoted_text: bool },
    /// Plain text; `broken` tells why something that begins like an array, a table or a quoted text was none.
    Text { broken: Option<String> },
}

impl Overrides {
    pub(crate) fn collect(
        env: impl IntoIterator<Item = (String, String)>,
        prefix: &str,
        source: &mut Source,
    ) -> Result<Self, ConfigError> {
        let mut variables: Vec<_> = env.into_iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        variables.sort();
        let mut items = Vec::with_capacity(variables.len());
        let mut problems = Vec::new();
        for (name, value) in variables {
            let start = source.add_variable(&name, value.len());
            match Override::new(name, value, prefix, start) {
                Ok(item) => items.push(item),
                Err(error) => problems.push(error),
            }
        }
        items.sort_by(|a: &Override, b| a.keys().cmp(b.keys()));
        for pair in items.windows(2) {
            if let [a, b] = pair
                && a.keys().eq(b.keys())
            {
                problems.push(refuse(&b.variable, format!("sets the same key as {}", a.variable)));
            }
        }
        ConfigError::many(problems)?;
        Ok(Self { items })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Override> {
        self.items.iter()
    }

    /// If `span` lies in the value of a variable that was read as TOML: from now on that value is plain text.
    pub(crate) fn take_as_text(&mut self, span: Span) -> Option<Span> {
        let item = self.items.iter_mut().find(|item| item.value_span.contains(span))?;
        match &item.reading {
            // A quoted text is what it is; without its quotes it would not fit any better.
            Reading::Toml { quoted_text: false } => {
                item.reading = Reading::Text { broken: None };
                Some(item.value_span)
            }
            _ => None,
        }
    }

    /// What to add to an error at `span`.
    pub(crate) fn note(&self, span: Span) -> Option<String> {
        let item = self.items.iter().find(|item| item.value_span.contains(span))?;
        match &item.reading {
            Reading::Text { broken: Some(reason) } => Some(format!(" (read as plain text, because as TOML: {reason})")),
            _ => None,
        }
    }
}

impl Override {
    fn new(variable: String, value: String, prefix: &str, start: usize) -> Result<Self, ConfigError> {
        let mut path = Vec::new();
        let mut offset = prefix.len();
        for part in variable.get(offset..).unwrap_or_default().split(SEPARATOR) {
            if part.is_empty() {
                let example = format!("{prefix}TABLE{SEPARATOR}KEY");
                return Err(refuse(&variable, format!("a key is empty here; the form is {example}")));
            }
            if let Some(c) = part.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')) {
                return Err(refuse(&variable, format!("{c:?} cannot stand in the name of a key")));
            }
            if path.len() == MAX_SEGMENTS {
                return Err(refuse(&variable, format!("names more than {MAX_SEGMENTS} keys")));
            }
            let span = Span { start: start + offset, end: start + offset + part.len() };
            path.push(Segment { key: part.to_ascii_lowercase(), span });
            offset += part.len() + SEPARATOR.len();
        }
        let value_start = start + variable.len() + 1;
        // The `=` belongs to it, so that an empty value has a span that is not empty.
        let value_span = Span { start: value_start - 1, end: value_start + value.len() };
        let reading = match nesting::parse_value(&value) {
            Ok(parsed) => Reading::Toml { quoted_text: parsed.get_ref().is_str() },
            Err(error) => Reading::Text { broken: value.starts_with(['[', '{', '"', '\'']).then_some(error.message) },
        };
        Ok(Self { variable: variable.into(), path, value, value_span, reading })
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(|segment| segment.key.as_str())
    }

    pub(crate) fn value(&self) -> Spanned<DeValue<'_>> {
        if let Reading::Toml { .. } = self.reading
            && let Ok(parsed) = nesting::parse_value(&self.value)
        {
            return shifted(parsed, self.value_span.end - self.value.len());
        }
        Spanned::new(self.value_span.start..self.value_span.end, DeValue::String(self.value.as_str().into()))
    }

    pub(crate) fn refuse(&self, message: String) -> ConfigError {
        refuse(&self.variable, message)
    }
}

fn refuse(variable: &str, message: String) -> ConfigError {
    Problem::new(Location::Environment { variable: variable.into() }, message, None).into()
}

/// Moves all spans by `by`. The recursion is bounded by the depth that the parsing allowed.
fn shifted(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let moved = match value.into_inner() {
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(|item| shifted(item, by)).collect::<DeArray>()),
        DeValue::Table(table) => {
            let entries = table.into_iter().map(|(key, item)| {
                let span = key.span();
                (Spanned::new(span.start + by..span.end + by, key.into_inner()), shifted(item, by))
            });
            DeValue::Table(entries.collect::<DeTable>())
        }
        scalar => scalar,
    };
    Spanned::new(span.start + by..span.end + by, moved)
}
