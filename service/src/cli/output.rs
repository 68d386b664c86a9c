//! How the operators' commands print: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::{Exit, fail};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    #[value(alias = "text")]
    Table,
    Json,
}

/// A column: its heading, and where its cell is in an item (a JSON pointer).
pub type Column = (&'static str, &'static str);

/// Prints a line. A reader that has read enough, as `head` has, is no failure; all else that keeps it from being printed is.
pub fn say(line: impl Display) {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            fail(Exit::Failure, &format!("standard output: {error}"));
            std::process::exit(Exit::Failure as i32);
        }
        Ok(()) | Err(_) => {}
    }
}

/// Prints a list. `more`: there are further items.
pub fn list(output: Output, columns: &[Column], items: &[Value], more: bool) {
    match output {
        Output::Json => say(format_args!("{:#}", Value::from(items))),
        Output::Table => {
            say(table(columns, items).trim_end());
            if more {
                say(format_args!("({} shown, and there are more: see --limit)", items.len()));
            }
        }
    }
}

/// Prints one object: a line for each of its members.
pub fn object(output: Output, value: &Value) {
    match (output, value) {
        (Output::Table, Value::Object(members)) => {
            let width = members.keys().map(|key| key.chars().count()).max().unwrap_or_default();
            for (key, value) in members {
                say(format_args!("{:width$}  {}", shown(&Value::from(key.as_str())), shown(value)));
            }
        }
        (Output::Table, Value::Null) => {}
        _ => say(format_args!("{value:#}")),
    }
}

fn table(columns: &[Column], items: &[Value]) -> String {
    let cell = |item: &Value, pointer: &str| item.pointer(pointer).map_or_else(|| "-".to_owned(), shown);
    let mut rows = vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| columns.iter().map(|(_, pointer)| cell(item, pointer)).collect()));
    let mut widths = vec![0; columns.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let line: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A value in one line. What devices and webhooks wrote must not steer the terminal.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_marks_what_is_missing() {
        let items = [json!({ "name": "hub-lisbon", "status": { "devices": 3 } }), json!({ "name": "h", "status": {} })];
        let text = table(&[("HUB", "/name"), ("DEVICES", "/status/devices")], &items);
        assert_eq!(text, "HUB         DEVICES\nhub-lisbon  3\nh           -\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(shown(&json!("a\u{1b}[31m\nb")), "a [31m b");
        assert_eq!(shown(&json!({ "a": "\u{1b}" })), r#"{"a":"\u001b"}"#);
    }
}
