//! Where a value came from: the file's text and, behind it, one virtual text per environment variable.
//!
//! All spans count bytes in one address space. The file lies at `0..=len`, each variable's `NAME=value` after it, so that
//! a span alone tells a place in the file from a variable.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{ConfigError, Excerpt, Problem};

/// The part of a [`Source`] that a value was read from. The default means "nowhere in particular": a built-in default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// Whether this is the span of a value that nobody wrote.
    pub fn is_nowhere(self) -> bool {
        self.start == 0 && self.end == 0
    }

    pub(crate) fn contains(self, inner: Span) -> bool {
        !inner.is_nowhere() && self.start <= inner.start && inner.end <= self.end
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A place as people name it. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File { name: Arc<str> },
    Line { name: Arc<str>, line: usize, column: usize },
    Environment { variable: Arc<str> },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name } => f.write_str(name),
            Self::Line { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
        }
    }
}

/// The text that a configuration was read from; turns spans into places.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    folder: PathBuf,
    variables: Vec<Variable>,
}

/// Only the name and the extent are kept: the value may be a secret.
#[derive(Clone)]
struct Variable {
    name: Arc<str>,
    span: Span,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str, folder: &Path) -> Self {
        Self { name: name.into(), text: text.into(), folder: folder.into(), variables: Vec::new() }
    }

    /// Makes room for a variable and returns where its `NAME=value` begins.
    pub(crate) fn add_variable(&mut self, name: &str, value_len: usize) -> usize {
        // One byte between neighbours: a span at the end of one text must not be the begin of the next.
        let start = self.variables.last().map_or(self.text.len(), |last| last.span.end) + 1;
        let span = Span { start, end: start + name.len() + 1 + value_len };
        self.variables.push(Variable { name: name.into(), span });
        start
    }

    /// The place that `span` names.
    pub fn at(&self, span: Span) -> Location {
        if let Some(variable) = self.variables.iter().find(|v| v.span.contains(span)) {
            return Location::Environment { variable: variable.name.clone() };
        }
        match self.line_at(span) {
            Some(line) => Location::Line { name: self.name.clone(), line: line.number, column: line.column },
            None => Location::File { name: self.name.clone() },
        }
    }

    /// An error at `span`, with the line and a caret when that is in the file.
    pub fn error(&self, span: Span, message: impl Into<String>) -> ConfigError {
        let location = self.at(span);
        let excerpt = match location {
            Location::Line { .. } => self.line_at(span).map(|line| {
                let len = span.end.saturating_sub(span.start).min(line.after.len());
                let marked = line.after.get(..len).map_or(1, |marked| marked.chars().count());
                Excerpt::new(line.number, line.before, line.after, marked)
            }),
            _ => None,
        };
        Problem::new(location, message.into(), excerpt).into()
    }

    /// `path` as seen from the folder of the file. Absolute paths stay as they are.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    fn line_at(&self, span: Span) -> Option<Line<'_>> {
        // `get` also refuses an offset that is no character boundary.
        if span.is_nowhere() {
            return None;
        }
        let (before, after) = (self.text.get(..span.start)?, self.text.get(span.start..)?);
        let number = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let before = before.rsplit('\n').next().unwrap_or_default();
        // A byte order mark is not part of what people see.
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let after = after.split('\n').next().unwrap_or_default();
        let after = after.strip_suffix('\r').unwrap_or(after);
        Some(Line { number, column: before.chars().count() + 1, before, after })
    }
}

impl fmt::Debug for Source {
    /// Without the text: it may hold secrets, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

struct Line<'t> {
    number: usize,
    column: usize,
    before: &'t str,
    after: &'t str,
}
