//! The examples in `config/examples` load, say the defaults, and leave no setting out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use firsthop::settings::Settings;
use firsthop_certs::{Authority, Identity};
use serde_json::Value;
use tempfile::TempDir;

/// Tables whose keys are the operator's own words.
const FREE: [&str; 7] = ["labels", "defaults", "allowed", "patterns", "schema", "tags", "desired"];

/// What cannot be in one place with all the rest: it is shown in an example of its own, or in the other kind of entry.
const ELSEWHERE: [(&str, &str); 2] = [("", "hub_port"), ("groups", "webhook")];

#[test]
fn every_example_loads() {
    let mut examples: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Those of the device agent are tested there.
    examples.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with("agent-"));
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
        let Settings { listener, tls, store, store_tuning, limits, bus, quotas, log, shutdown, provisioning, .. } =
            settings;
        let webhook = (settings.webhook.timeout, settings.webhook.max_answer, settings.webhook.concurrency);
        let file = |path: &Path| path.file_name().unwrap().to_owned();
        let files = [&tls.certificate, &tls.key, store].map(|path| file(path));
        let rest = format!("{bus:?}{quotas:?}{log:?}{shutdown:?}{provisioning:?}{webhook:?}");
        format!("{files:?}{listener:?}{store_tuning:?}{limits:?}{rest}")
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
            (Err(error), true, false) => {
                let missed = ["missing field", "set allocation"].iter().any(|reason| error.contains(reason));
                assert!(missed, "{place}: {error}")
            }
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
        // What one of several lacks, another may show.
        let value = place.split('.').filter(|part| !part.is_empty()).fold(example.value.clone(), |value, part| {
            match &value[part] {
                Value::Array(items) => {
                    items.iter().filter_map(Value::as_object).flat_map(|item| item.clone()).collect()
                }
                other => other.clone(),
            }
        });
        let table = value.as_object().unwrap_or_else(|| panic!("[{place}] is no table"));
        let mut shown: BTreeSet<String> = table.keys().cloned().collect();
        shown.extend(ELSEWHERE.iter().filter(|(table, _)| *table == place).map(|(_, key)| (*key).to_owned()));
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
            if let Some(path) = entry["webhook"]["secret_file"].as_str() {
                self.write_file(path, b"a key that both sides know");
            }
        }
        for entry in self.value["individuals"].as_array().into_iter().flatten() {
            let id = entry["registration_id"].as_str().unwrap();
            for certificate in ["primary", "secondary"] {
                self.write(&entry[certificate], &authority.device(id).unwrap());
            }
            if let Some(path) = entry["webhook"]["secret_file"].as_str() {
                self.write_file(path, b"a key that both sides know");
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
                let state =
                    (&entry.initial_twin, entry.capabilities, entry.resources, entry.reprovision, &entry.webhook);
                let secret = entry.webhook.as_ref().map(|webhook| webhook.secret.is_some());
                format!("{:?}{:?}{certificates:?}{metadata:?}{plan:?}{state:?}{secret:?}", entry.name, entry.enabled)
            })
            .collect();
        let Settings { listener, tls, store, store_tuning, limits, bus, quotas, log, shutdown, declared, .. } =
            &settings;
        let Settings { provisioning, hub_port, hub_client, webhook, admin, hub_tls, .. } = &settings;
        let rest =
            format!("{listener:?}{tls:?}{store:?}{store_tuning:?}{limits:?}{bus:?}{quotas:?}{log:?}{shutdown:?}");
        let hubs = format!("{provisioning:?}{hub_port:?}{hub_client:?}{webhook:?}{admin:?}{hub_tls:?}");
        Ok(format!("{rest}{hubs}{:?}{models:?}{entries:?}", declared.hubs))
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
