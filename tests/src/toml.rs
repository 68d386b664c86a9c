//! The text of a configuration file that tests put together.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

#[derive(Clone, Default)]
pub(crate) struct Toml {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    tables: String,
}

impl Toml {
    pub fn set(&mut self, section: &str, key: &str, value: impl Display) {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.to_string());
    }

    /// Appends tables as they are.
    pub fn with(&mut self, tables: &str) {
        self.tables.push('\n');
        self.tables.push_str(tables);
    }

    pub fn clear_tables(&mut self) {
        self.tables.clear();
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.sections {
            writeln!(text, "[{section}]").expect("a String takes all text");
            for (key, value) in keys {
                writeln!(text, "{key} = {value}").expect("a String takes all text");
            }
        }
        text + &self.tables
    }
}
