//! Parses TOML into a tree that is safe to walk by recursion, and whose values all have a type that settings can have.
//!
//! The parser bounds the depth of brackets and the length of one dotted key, but not their product: dotted keys inside
//! inline tables reach thousands of levels. Dropping such a tree is harmless, but copying and deserialising take a larger
//! piece of the stack for each level.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::Span;

/// The deepest tree that is accepted, far beyond what settings need.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) struct ParseError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

pub(crate) fn parse_table(text: &str) -> Result<DeTable<'_>, ParseError> {
    let root = DeTable::parse(text)?.into_inner();
    check(root.values())?;
    Ok(root)
}

pub(crate) fn parse_value(text: &str) -> Result<Spanned<DeValue<'_>>, ParseError> {
    let root = DeValue::parse(text)?;
    check([&root])?;
    Ok(root)
}

impl From<toml::de::Error> for ParseError {
    fn from(error: toml::de::Error) -> Self {
        let span = error.span().map(Span::from).unwrap_or_default();
        Self { span, message: error.message().to_owned() }
    }
}

fn check<'n, 't: 'n>(roots: impl IntoIterator<Item = &'n Spanned<DeValue<'t>>>) -> Result<(), ParseError> {
    let mut open: Vec<_> = roots.into_iter().map(|node| (node, 1)).collect();
    while let Some((node, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(ParseError {
                span: node.span().into(),
                message: format!("nested more than {MAX_DEPTH} levels deep"),
            });
        }
        match node.get_ref() {
            DeValue::Table(table) => open.extend(table.values().map(|child| (child, depth + 1))),
            DeValue::Array(array) => open.extend(array.iter().map(|child| (child, depth + 1))),
            DeValue::Datetime(_) => {
                let message = "settings have no dates: write a date as text, in quotes".to_owned();
                return Err(ParseError { span: node.span().into(), message });
            }
            _ => {}
        }
    }
    Ok(())
}
