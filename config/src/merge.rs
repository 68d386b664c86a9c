//! Puts the overrides into the file's tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::ConfigError;
use crate::overrides::{Override, Overrides};
use crate::source::{Source, Span};

/// The file's tree with all overrides in it. What an override sets replaces what the file has there.
pub(crate) fn merged<'t>(
    file: &DeTable<'t>,
    overrides: &'t Overrides,
    source: &Source,
) -> Result<DeTable<'t>, ConfigError> {
    let mut root = file.clone();
    let mut problems = Vec::new();
    for item in overrides.iter() {
        if let Err(error) = put(&mut root, item, source) {
            problems.push(error);
        }
    }
    ConfigError::many(problems).map(|()| root)
}

fn put<'t>(root: &mut DeTable<'t>, item: &'t Override, source: &Source) -> Result<(), ConfigError> {
    let Some((last, parents)) = item.path.split_last() else {
        return Ok(());
    };
    let mut table = root;
    for (depth, segment) in parents.iter().enumerate() {
        refuse_other_spelling(table, &segment.key, item, source)?;
        let span = segment.span.start..segment.span.end;
        let key = Spanned::new(span.clone(), segment.key.clone().into());
        let child = table.entry(key).or_insert_with(|| Spanned::new(span, DeValue::Table(DeTable::new())));
        let place = source.at(child.span().into());
        let kind = child.get_ref().type_str();
        table = match child.get_mut() {
            DeValue::Table(table) => table,
            DeValue::Array(_) => {
                let name = dotted(item, depth + 1);
                let variable = prefix_of(item, depth + 1);
                return Err(item.refuse(format!(
                    "`{name}` is an array ({place}), and its elements cannot be set one by one; \
                     set the whole array with {variable}=[...]"
                )));
            }
            _ => {
                let name = dotted(item, depth + 1);
                return Err(item.refuse(format!("`{name}` is not a table but of type {kind} ({place})")));
            }
        };
    }
    refuse_other_spelling(table, &last.key, item, source)?;
    // Removed first: an insert alone would keep the old key and with it the old place.
    table.remove(last.key.as_str());
    table.insert(Spanned::new(last.span.start..last.span.end, last.key.clone().into()), item.value());
    Ok(())
}

/// Variables are written in upper case and read in lower case, so a key with upper-case letters is out of their reach.
/// Without this check the override would become a second key beside it.
fn refuse_other_spelling(table: &DeTable<'_>, key: &str, item: &Override, source: &Source) -> Result<(), ConfigError> {
    if table.contains_key(key) {
        return Ok(());
    }
    let twin = table.keys().find(|other| other.get_ref().eq_ignore_ascii_case(key));
    match twin {
        Some(other) => Err(item.refuse(format!(
            "`{}` ({}) has upper-case letters, and a variable can only name lower-case keys; set the table around it",
            other.get_ref(),
            source.at(other.span().into()),
        ))),
        None => Ok(()),
    }
}

fn dotted(item: &Override, len: usize) -> String {
    let keys: Vec<_> = item.path.iter().take(len).map(|segment| segment.key.as_str()).collect();
    keys.join(".")
}

/// The name of the variable that would set the whole of the first `len` keys.
fn prefix_of(item: &Override, len: usize) -> &str {
    // Counted from the end, because the start has the prefix in it.
    let behind: usize = item.path.iter().skip(len).map(|segment| segment.key.len() + "__".len()).sum();
    item.variable.get(..item.variable.len().saturating_sub(behind)).unwrap_or_default()
}

/// The table, in TOML's notation, whose key lies at `span`; nothing for a key of the root or if there is no such key.
pub(crate) fn table_of_key(root: &DeTable<'_>, span: Span) -> Option<String> {
    let mut path = Vec::new();
    let in_array = find(root, span, &mut path, false)?;
    if path.is_empty() {
        return None;
    }
    let name = path.join(".");
    Some(if in_array { format!("[[{name}]]") } else { format!("[{name}]") })
}

/// Leaves the keys down to the table in `path`, and tells whether that table is an element of an array.
fn find<'n>(table: &'n DeTable<'_>, span: Span, path: &mut Vec<&'n str>, in_array: bool) -> Option<bool> {
    for (key, value) in table {
        if Span::from(key.span()) == span {
            return Some(in_array);
        }
        path.push(key.get_ref());
        if let Some(found) = find_below(value.get_ref(), span, path, false) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn find_below<'n>(value: &'n DeValue<'_>, span: Span, path: &mut Vec<&'n str>, in_array: bool) -> Option<bool> {
    match value {
        DeValue::Table(table) => find(table, span, path, in_array),
        DeValue::Array(array) => array.iter().find_map(|item| find_below(item.get_ref(), span, path, true)),
        _ => None,
    }
}
