//! Parses TOML into a tree that is safe to walk by recursion.
//!
//! The parser bounds the depth of brackets and the length of one dotted key, but not their product: dotted keys inside
//! inline tables reach thousands of levels, which copying, reading or even dropping by recursion may not survive.

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
    let (root, errors) = DeTable::parse_recoverable(text);
    let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    match checked(root, errors)?.into_inner() {
        DeValue::Table(table) => Ok(table),
        _ => Ok(DeTable::new()),
    }
}

pub(crate) fn parse_value(text: &str) -> Result<Spanned<DeValue<'_>>, ParseError> {
    let (value, errors) = DeValue::parse_recoverable(text);
    checked(value, errors)
}

/// Only the first mistake is told: those after it are mostly its consequences.
fn checked<'t>(root: Spanned<DeValue<'t>>, errors: Vec<toml::de::Error>) -> Result<Spanned<DeValue<'t>>, ParseError> {
    let too_deep = first_too_deep(&root);
    let error = match (errors.into_iter().next(), too_deep) {
        (Some(error), _) => {
            Some(ParseError { span: error.span().map(Span::from).unwrap_or_default(), message: error.message().to_owned() })
        }
        (None, Some(span)) => Some(ParseError { span, message: format!("nested more than {MAX_DEPTH} levels deep") }),
        (None, None) => None,
    };
    if too_deep.is_some() {
        dismantle(root);
        return Err(error.unwrap_or(ParseError { span: Span::default(), message: "nested too deep".to_owned() }));
    }
    match error {
        Some(error) => Err(error),
        None => Ok(root),
    }
}

fn first_too_deep(root: &Spanned<DeValue<'_>>) -> Option<Span> {
    let mut open = vec![(root, 0)];
    while let Some((node, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Some(node.span().into());
        }
        match node.get_ref() {
            DeValue::Table(table) => open.extend(table.values().map(|child| (child, depth + 1))),
            DeValue::Array(array) => open.extend(array.iter().map(|child| (child, depth + 1))),
            _ => {}
        }
    }
    None
}

/// Drops a tree without recursion.
fn dismantle(root: Spanned<DeValue<'_>>) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match node.into_inner() {
            DeValue::Table(table) => open.extend(table.into_iter().map(|(_, child)| child)),
            DeValue::Array(array) => open.extend(array),
            _ => {}
        }
    }
}
