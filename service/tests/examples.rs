//! The examples in `config/examples` load, say the defaults, and leave no setting out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use firsthop::settings::Settings;
use firsthop_certs::{Authority, Identity};
use serde_json::Value;
use tempfile::TempDir;

/// Tables whose keys are the operator's own words.
const FREE: [&str; 5] = ["labels", "defaults", "allowed", "patterns", "schema"];

#[test]
fn every_example_loads() {
    let mut examples: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    examples.sort();
    assert!(examples.len() >= 2, "{examples:?}");
    for path in examples {
        let example = Example::new(&path);
        if let Err(error) = Settings::load(&example.path) {
            panic!("{}\n{error}", path.display());
        }
    }
}

#[test]
fn the_least_configuration_and_the_full_one_have_the_same_settings() {
    let told = |settings: &Settings| {
        let Settings { listener, tls, store, store_tuning, limits, bus, quotas, log, shutdown, declared: _ } = settings;
        let file = |path: &Path| path.file_name().unwrap().to_owned();
        let files = [&tls.certificate, &tls.key, store].map(|path| file(path));
        format!("{files:?}{listener:?}{store_tuning:?}{limits:?}{bus:?}{quotas:?}{log:?}{shutdown:?}")
    };
    let [minimal, full] =
        ["minimal.toml", "full.toml"].map(|name| Settings::load(&Example::new(&folder().join(name)).path).unwrap());
    assert_eq!(told(&minimal), told(&full));
}

#[test]
fn a_comment_says_whether_its_value_is_the_default_required_or_optional() {
    let example = Example::new(&folder().join("full.toml"));
    let whole = example.told(&example.text).unwrap();
    let lines: Vec<&str> = example.text.lines().collect();
    let mut comment = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, _)) = assignment(line) else {
            if line.starts_with('#') {
                comment.push(*line)
            } else {
                comment.clear()
            }
            continue;
        };
        let place = format!("full.toml:{}: {key}", at + 1);
        let comment = std::mem::take(&mut comment).join("\n");
        assert!(!comment.is_empty(), "{place}: no comment");
        let without: String =
            lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| format!("{line}\n")).collect();
        match (example.told(&without), comment.contains("Required."), comment.contains("Optional.")) {
            (Err(error), true, false) => assert!(error.contains("missing field"), "{place}: {error}"),
            (Ok(told), false, true) => {
                assert_ne!(told, whole, "{place}: it is the default, so its comment must not say Optional")
            }
            (Ok(told), false, false) => assert_eq!(told, whole, "{place}: it is not the default"),
            (told, ..) => panic!("{place}: the comment is wrong: {told:?}"),
        }
    }
}

#[test]
fn every_setting_is_in_the_full_example() {
    let example = Example::new(&folder().join("full.toml"));
    let mut checked = 0;
    for (place, known) in example.tables() {
        let value =
            place.split('.').filter(|part| !part.is_empty()).fold(&example.value, |value, part| match &value[part] {
                Value::Array(items) => &items[0],
                other => other,
            });
        let table = value.as_object().unwrap_or_else(|| panic!("[{place}] is no table"));
        let shown: BTreeSet<String> = table.keys().cloned().collect();
        let missing: Vec<_> = known.difference(&shown).collect();
        assert!(missing.is_empty(), "full.toml does not show {missing:?} in [{place}]");
        for (key, value) in table {
            let inner = match value {
                Value::Array(items) => items.first().is_some_and(Value::is_object),
                other => other.is_object(),
            };
            let name = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            if inner && !FREE.contains(&key.as_str()) {
                assert!(
                    example.text.contains(&format!("[{name}]")),
                    "full.toml needs a header [{name}] for this test to look into it"
                );
            }
        }
        checked += known.len();
    }
    assert!(checked >= 60, "only {checked} settings were looked at");
}

/// An example, copied to where the files that it names are.
struct Example {
    path: PathBuf,
    text: String,
    value: Value,
    _folder: TempDir,
}

impl Example {
    fn new(path: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(path).unwrap();
        let copy = folder.path().join(path.file_name().unwrap());
        fs::write(&copy, &text).unwrap();
        let value = firsthop_config::parse::<Value>(&text, "example", [], "").unwrap().value;
        let example = Self { path: copy, text, value, _folder: folder };
        example.make_files();
        example
    }

    /// A PKI for the files that the example names.
    fn make_files(&self) {
        let authority = Authority::root("Example root").unwrap();
        self.write(&self.value["tls"]["certificate"], &authority.server(&["localhost".into()]).unwrap());
        for entry in self.value["groups"].as_array().into_iter().flatten() {
            for certificate in ["primary", "secondary"] {
                if let Some(path) = entry[certificate].as_str() {
                    let pem = Authority::root(path).unwrap().certificate_pem();
                    self.write_file(path, pem.as_bytes());
                }
            }
        }
        for entry in self.value["individuals"].as_array().into_iter().flatten() {
            let id = entry["registration_id"].as_str().unwrap();
            for certificate in ["primary", "secondary"] {
                self.write(&entry[certificate], &authority.device(id).unwrap());
            }
        }
    }

    fn write(&self, path: &Value, identity: &Identity) {
        if let Some(path) = path.as_str() {
            self.write_file(path, identity.chain_pem().as_bytes());
        }
    }

    fn write_file(&self, path: &str, content: &[u8]) {
        let path = self.path.parent().unwrap().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// All that a text of this example comes to, or what is wrong with it.
    fn told(&self, text: &str) -> Result<String, String> {
        fs::write(&self.path, text).unwrap();
        let settings = Settings::load(&self.path).map_err(|error| error.to_string())?;
        let models: Vec<_> = settings
            .declared
            .models
            .iter()
            .map(|model| (&model.name, &model.defaults, model.schema.is_some()))
            .collect();
        let entries: Vec<_> = settings
            .declared
            .book
            .iter()
            .map(|entry| {
                let rules = &entry.metadata;
                let certificates: Vec<_> = entry.certificates.iter().collect();
                let metadata = (&rules.required, &rules.allowed, &rules.patterns, rules.schema.is_some());
                let model = entry.model.as_ref().map(|model| &model.name);
                let plan = (entry.allocation, &entry.hubs, model, entry.quotas, &entry.topics, &entry.device_id);
                format!("{:?}{:?}{certificates:?}{metadata:?}{plan:?}", entry.name, entry.enabled)
            })
            .collect();
        let Settings { listener, tls, store, store_tuning, limits, bus, quotas, log, shutdown, declared } = &settings;
        let rest =
            format!("{listener:?}{tls:?}{store:?}{store_tuning:?}{limits:?}{bus:?}{quotas:?}{log:?}{shutdown:?}");
        Ok(format!("{rest}{:?}{models:?}{entries:?}", declared.hubs))
    }

    /// The tables of the file and the keys that each may have, by what an unknown key is answered with.
    fn tables(&self) -> Vec<(String, BTreeSet<String>)> {
        // Longer than any hint is given for.
        let unknown = "unknown_".repeat(10);
        let mut tables = vec![(String::new(), 0)];
        for (at, line) in self.text.lines().enumerate() {
            if line.starts_with('[') {
                tables.push((line.trim_matches(['[', ']']).to_owned(), at + 1));
            }
        }
        let known = |at: usize| {
            let mut lines: Vec<&str> = self.text.lines().collect();
            let line = format!("{unknown} = 1");
            lines.insert(at, &line);
            let error = self.told(&lines.join("\n")).expect_err("an unknown key is an error");
            let (_, expected) = error.split_once(&unknown).unwrap_or_else(|| panic!("{error}"));
            let message = expected.lines().next().unwrap_or_default();
            assert!(message.contains("expected") || message.contains("nothing can be set"), "{error}");
            let expected = message.split_once("expected").map_or("", |(_, names)| names);
            expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        tables.into_iter().map(|(name, at)| (name, known(at))).collect()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples")
}

/// The key and the value of a line that sets one.
fn assignment(line: &str) -> Option<(&str, &str)> {
    line.split_once(" = ").filter(|_| !line.starts_with(['#', '[']))
}
