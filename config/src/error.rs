//! What is wrong with a configuration, one or more problems at a time.

use std::fmt;

use crate::source::Location;

/// Longest message and longest part of a line that is shown: a file may be one line of 8 MiB.
const MAX_MESSAGE_CHARS: usize = 1000;
const MAX_BEFORE_CHARS: usize = 80;
const MAX_AFTER_CHARS: usize = 80;

/// One or more problems, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Collects the errors of several checks: `Ok` if there are none, else one error that tells them all.
    pub fn many(errors: Vec<ConfigError>) -> Result<(), ConfigError> {
        let problems: Vec<_> = errors.into_iter().flat_map(|error| error.problems).collect();
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A mistake and its place. Displays as `place: message` and, for a place in the file, the line with a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    location: Location,
    message: String,
    excerpt: Option<Excerpt>,
}

impl Problem {
    pub(crate) fn new(location: Location, message: String, excerpt: Option<Excerpt>) -> Self {
        Self { location, message: shortened(&message), excerpt }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

/// A line of the file and the part of it that is meant, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    number: usize,
    line: String,
    indent: usize,
    marked: usize,
}

impl Excerpt {
    pub(crate) fn new(number: usize, before: &str, after: &str, marked: usize) -> Self {
        let indent = before.chars().count();
        let cut = indent.saturating_sub(MAX_BEFORE_CHARS);
        let start = if cut > 0 { "..." } else { "" };
        let end = if after.chars().nth(MAX_AFTER_CHARS).is_some() { "..." } else { "" };
        let before = before.chars().skip(cut).map(visible);
        let after = after.chars().take(MAX_AFTER_CHARS).map(visible);
        Self {
            number,
            line: start.chars().chain(before).chain(after).chain(end.chars()).collect(),
            indent: indent - cut + start.len(),
            marked: marked.clamp(1, MAX_AFTER_CHARS),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.number.to_string().len();
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{} | {}", self.number, self.line.trim_end())?;
        write!(f, "{:gutter$} | {:indent$}{:^<marked$}", "", "", "", indent = self.indent, marked = self.marked)
    }
}

/// Cuts the middle out of a long message: it begins with what was found and ends with what was expected, and what makes
/// it long is a value quoted between them.
fn shortened(message: &str) -> String {
    let chars: Vec<char> = message.chars().map(visible).collect();
    let half = MAX_MESSAGE_CHARS / 2;
    match (chars.get(..half), chars.get(chars.len().saturating_sub(half)..)) {
        (Some(head), Some(tail)) if chars.len() > MAX_MESSAGE_CHARS => {
            head.iter().chain(&['.', '.', '.']).chain(tail).collect()
        }
        _ => chars.into_iter().collect(),
    }
}

/// Text of the file goes to a terminal: nothing in it may steer that. A tab becomes one space, so that carets fit.
fn visible(c: char) -> char {
    match c {
        '\t' | '\n' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}
