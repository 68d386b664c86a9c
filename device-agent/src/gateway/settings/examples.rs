//! The examples load, say the defaults, and leave no setting out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Settings;
use super::tests::Folder;

/// Tables whose keys are the operator's own words.
const FREE: [&str; 3] = ["metadata", "endpoints", "payload"];

#[test]
fn the_least_configuration_has_no_more_than_what_is_required() {
    let example = Example::new("agent-minimal.toml");
    let minimal = example.told(&example.text).unwrap();
    let full = Example::new("agent-full.toml");
    let mut comment = String::new();
    let required = full.text.lines().filter(|line| match assignment(line) {
        Some(_) => std::mem::take(&mut comment).contains("Required."),
        None => {
            if line.starts_with('#') {
                comment.push_str(line)
            } else {
                comment.clear()
            }
            line.starts_with('[') && !line.starts_with("[methods")
        }
    });
    // The program of a method is required where there is a method.
    let required: Vec<&str> = required.filter(|line| !line.starts_with("command")).collect();
    assert_eq!(full.told(&required.join("\n")).unwrap(), minimal);
}

#[test]
fn a_comment_says_whether_its_value_is_the_default_required_or_optional() {
    let example = Example::new("agent-full.toml");
    let whole = example.told(&example.text).unwrap();
    let lines: Vec<&str> = example.text.lines().collect();
    let mut comment = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if assignment(line).is_none() {
            if line.starts_with('#') {
                comment.push(*line)
            } else {
                comment.clear()
            }
            continue;
        }
        let place = format!("agent-full.toml:{}: {line}", at + 1);
        let comment = std::mem::take(&mut comment).join("\n");
        assert!(!comment.is_empty(), "{place}: no comment");
        let without: String =
            lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| format!("{line}\n")).collect();
        match (example.told(&without), comment.contains("Required."), comment.contains("Optional.")) {
            (Err(error), true, false) => assert!(error.contains("missing field"), "{place}: {error}"),
            (Ok(told), false, true) => assert_ne!(told, whole, "{place}: it is the default"),
            (Ok(told), false, false) => assert_eq!(told, whole, "{place}: it is not the default"),
            (told, ..) => panic!("{place}: the comment is wrong: {told:?}"),
        }
    }
}

#[test]
fn every_setting_is_in_the_full_example() {
    let example = Example::new("agent-full.toml");
    let value = firsthop_config::parse::<Value>(&example.text, "example", [], "").unwrap().value;
    let mut checked = 0;
    for (place, known) in example.tables() {
        let table = place.split('.').filter(|part| !part.is_empty()).fold(&value, |value, part| &value[part]);
        let shown: BTreeSet<String> = table.as_object().unwrap().keys().cloned().collect();
        let missing: Vec<_> = known.difference(&shown).collect();
        assert!(missing.is_empty(), "agent-full.toml does not show {missing:?} in [{place}]");
        for (key, value) in table.as_object().unwrap() {
            let name = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            let header = example.text.contains(&format!("[{name}")) || FREE.contains(&key.as_str());
            assert!(!value.is_object() || header, "a header [{name}] is needed for this test to look into it");
        }
        checked += known.len();
    }
    assert!(checked >= 40, "only {checked} settings were looked at");
}

/// An example, in a folder with the files that it names.
struct Example {
    text: String,
    folder: Folder,
}

impl Example {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name);
        // The files of the folder lie beside the configuration there.
        let text = fs::read_to_string(path).unwrap().replace("\"certs/", "\"");
        Self { text, folder: Folder::new() }
    }

    /// All that a text of this example comes to, or what is wrong with it.
    fn told(&self, text: &str) -> Result<String, String> {
        let Settings { device, local, methods, log } = self.folder.load(text, &[])?;
        let log = (log.filter.as_str().to_owned(), *log.format);
        // Where the roots were read from is all that is seen of them.
        let told = format!("{device:?}{local:?}{methods:?}{log:?}");
        Ok(told.replace(&*self.folder.path().to_string_lossy(), ""))
    }

    /// The tables of the file and the keys that each may have, by what an unknown key is answered with.
    fn tables(&self) -> Vec<(String, BTreeSet<String>)> {
        // Longer than any hint is given for.
        let unknown = "unknown_".repeat(10);
        let headers = self.text.lines().enumerate().filter(|(_, line)| line.starts_with('['));
        let headers = headers.map(|(at, line)| (line.trim_matches(['[', ']']).to_owned(), at + 1));
        let known = |at: usize| {
            let mut lines: Vec<&str> = self.text.lines().collect();
            let line = format!("{unknown} = 1");
            lines.insert(at, &line);
            let error = self.told(&lines.join("\n")).expect_err("an unknown key is an error");
            let (_, expected) = error.split_once(&unknown).unwrap_or_else(|| panic!("{error}"));
            let message = expected.lines().next().unwrap_or_default();
            let names = message.split_once("expected").unwrap_or_else(|| panic!("{error}")).1;
            names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        std::iter::once((String::new(), 0)).chain(headers).map(|(name, at)| (name, known(at))).collect()
    }
}

/// The key and the value of a line that sets one.
fn assignment(line: &str) -> Option<(&str, &str)> {
    line.split_once(" = ").filter(|_| !line.starts_with(['#', '[']))
}
