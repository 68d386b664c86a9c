//! The loader as a whole, and the exact words of its errors.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const PREFIX: &str = "FIRSTHOP__";

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    listener: Listener,
    hubs: Vec<Hub>,
    groups: BTreeMap<String, Group>,
    token: Option<String>,
    free: Option<toml::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Listener {
    port: u16,
    max_packet: Size,
    #[serde(with = "crate::duration")]
    handshake_timeout: Duration,
    #[serde(with = "crate::rate")]
    registrations: Option<Rate>,
    hosts: Vec<String>,
    tls: bool,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            port: 8883,
            max_packet: Size::kib(64),
            handshake_timeout: Duration::from_secs(10),
            registrations: None,
            hosts: Vec::new(),
            tls: true,
        }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Hub {
    name: Located<String>,
    address: String,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(default, deny_unknown_fields)]
struct Group {
    hub: Located<String>,
    policy: Policy,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "snake_case")]
enum Policy {
    #[default]
    Static,
    Hashed,
    LowestLatency,
}

fn env<'e>(pairs: &'e [(&'e str, &'e str)]) -> impl Iterator<Item = (String, String)> + 'e {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()))
}

fn read_with(text: &str, pairs: &[(&str, &str)]) -> Result<Settings, String> {
    parse(text, "firsthop.toml", env(pairs), PREFIX).map(|loaded| loaded.value).map_err(|e| e.to_string())
}

fn error(text: &str) -> String {
    read_with(text, &[]).expect_err("the text should be refused")
}

fn env_error(text: &str, name: &str, value: &str) -> String {
    read_with(text, &[(name, value)]).expect_err("the variable should be refused")
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(read_with("", &[]), Ok(Settings::default()));
}

#[test]
fn an_unknown_field_names_its_table_and_the_nearest_field() {
    assert_eq!(
        error("[listener]\n\n  prot = 1883\n"),
        "firsthop.toml:3:3: unknown field `prot` in [listener], did you mean `port`?\n  \
           |\n\
         3 |   prot = 1883\n  \
           |   ^^^^"
    );
    assert_eq!(
        error("[[hubs]]\nname = \"a\"\nadress = \"b\""),
        "firsthop.toml:3:1: unknown field `adress` in [[hubs]], did you mean `address`?\n  \
           |\n\
         3 | adress = \"b\"\n  \
           | ^^^^^^"
    );
    assert_eq!(
        error("listner.port = 1"),
        "firsthop.toml:1:1: unknown field `listner`, did you mean `listener`?\n  \
           |\n\
         1 | listner.port = 1\n  \
           | ^^^^^^^"
    );
}

#[test]
fn an_unknown_field_unlike_any_other_gets_the_list() {
    assert_eq!(
        error("[groups.thermostats]\ncolour = 1"),
        "firsthop.toml:2:1: unknown field `colour` in [groups.thermostats], expected `hub` or `policy`\n  \
           |\n\
         2 | colour = 1\n  \
           | ^^^^^^"
    );
}

#[test]
fn an_unknown_choice_gets_the_nearest_one() {
    assert_eq!(
        error("[groups.a]\npolicy = \"hash\""),
        "firsthop.toml:2:10: unknown value `hash`, did you mean `hashed`?\n  \
           |\n\
         2 | policy = \"hash\"\n  \
           |          ^^^^^^"
    );
    let told = error("groups = { a = { policy = \"lowest-latency\" } }");
    assert!(told.contains("unknown value `lowest-latency`, did you mean `lowest_latency`?"), "{told}");
    let told = error("groups = { a = { policy = \"zzz\" } }");
    assert!(told.contains("unknown value `zzz`, expected one of `static`, `hashed`, `lowest_latency`"), "{told}");
}

#[test]
fn a_missing_field_points_at_its_table() {
    assert_eq!(
        error("\n[[hubs]]\nname = \"a\""),
        "firsthop.toml:2:1: missing field `address`\n  \
           |\n\
         2 | [[hubs]]\n  \
           | ^^^^^^^^"
    );
}

#[test]
fn a_missing_field_of_the_root_names_the_file() {
    let told = parse::<Hub>("", "hub.toml", [], PREFIX).unwrap_err().to_string();
    assert_eq!(told, "hub.toml: missing field `name`");
}

#[test]
fn wrong_types_and_ranges_are_told_in_words() {
    let first = |text: &str| error(text).lines().next().unwrap().to_owned();
    for (text, told) in [
        ("listener.port = 70000", "1:17: invalid value: integer `70000`, expected a whole number from 0 to 65535"),
        ("listener.port = '1'", "1:17: invalid type: string \"1\", expected a whole number from 0 to 65535"),
        ("listener.tls = 1", "1:16: invalid type: integer `1`, expected true or false"),
        ("groups.a.policy = 5", "1:19: invalid type: expected text, in quotes"),
        ("listener = 1", "1:12: invalid type: integer `1`, expected a table"),
        ("hubs = {}", "1:8: invalid type: table, expected an array"),
        ("listener.hosts = ['a', 2]", "1:24: invalid type: integer `2`, expected a string"),
        (
            "listener.handshake_timeout = 30",
            "1:30: a duration needs a unit: write \"30s\" for seconds (also ms, m, h, d)",
        ),
        (
            "listener.max_packet = -1",
            "1:23: invalid value: integer `-1`, expected a size such as \"64KiB\", or a number of bytes",
        ),
        (
            "listener.max_packet = '5K'",
            "1:23: `K` is not a unit of size: write B, kB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1024s)",
        ),
        (
            "listener.registrations = '20'",
            "1:26: `20` is not a rate: write how many in what time, such as \"1000/min\" or \"20/s\", or \"unlimited\"",
        ),
    ] {
        assert_eq!(first(text), format!("firsthop.toml:{told}"));
    }
}

#[test]
fn a_mistake_in_the_syntax_is_shown() {
    assert_eq!(
        error("[listener]\nport = 1\nport = 2"),
        "firsthop.toml:3:1: duplicate key\n  \
           |\n\
         3 | port = 2\n  \
           | ^^^^"
    );
    assert!(error("= 1").starts_with("firsthop.toml"), "{}", error("= 1"));
    assert!(error("token = \"open").starts_with("firsthop.toml:1:14: "), "{}", error("token = \"open"));
}

#[test]
fn columns_count_characters_and_survive_windows_line_ends() {
    let told = error("\u{feff}token = 'x'\r\nlistener = { hosts = ['é', 5] }\r\n");
    assert_eq!(
        told,
        "firsthop.toml:2:28: invalid type: integer `5`, expected a string\n  \
           |\n\
         2 | listener = { hosts = ['é', 5] }\n  \
           |                            ^"
    );
}

#[test]
fn values_with_units_are_read() {
    let text = "listener = { max_packet = '1MiB', handshake_timeout = '5s', registrations = '20/s' }";
    let listener = read_with(text, &[]).unwrap().listener;
    assert_eq!(listener.max_packet, Size::mib(1));
    assert_eq!(listener.handshake_timeout, Duration::from_secs(5));
    assert_eq!(listener.registrations, Some("20/s".parse().unwrap()));
    let text = "listener = { max_packet = 17, registrations = 'unlimited' }";
    let listener = read_with(text, &[]).unwrap().listener;
    assert_eq!((listener.max_packet, listener.registrations), (Size::bytes(17), None));
}

#[test]
fn a_variable_overrides_the_file_and_creates_what_is_missing() {
    let pairs = [
        ("FIRSTHOP__LISTENER__PORT", "1884"),
        ("FIRSTHOP__LISTENER__MAX_PACKET", "1MiB"),
        ("FIRSTHOP__LISTENER__HOSTS", "['a', 'b']"),
        ("FIRSTHOP__GROUPS__METERS", "{ hub = 'x' }"),
        ("FIRSTHOP__GROUPS__METERS__POLICY", "hashed"),
        ("PATH", "/bin"),
        ("FIRSTHOP_CONFIG", "not ours"),
    ];
    let settings = read_with("[listener]\nport = 1\ntls = false", &pairs).unwrap();
    assert_eq!(settings.listener.port, 1884);
    assert!(!settings.listener.tls);
    assert_eq!(settings.listener.max_packet, Size::mib(1));
    assert_eq!(settings.listener.hosts, ["a", "b"]);
    assert_eq!(settings.groups["meters"].policy, Policy::Hashed);
    assert_eq!(*settings.groups["meters"].hub, "x");
}

#[test]
fn a_setting_that_wants_text_takes_values_that_look_like_something_else() {
    for value in ["123", "true", "2026-01-01", "[1]", "", "plain", "0123", "nan", "[::1]:8883", "{ a"] {
        let settings = read_with("", &[("FIRSTHOP__TOKEN", value)]).unwrap();
        assert_eq!(settings.token.as_deref(), Some(value));
    }
    let settings = read_with("", &[("FIRSTHOP__TOKEN", "\"123\"")]).unwrap();
    assert_eq!(settings.token.as_deref(), Some("123"));
}

#[test]
fn several_variables_may_be_read_as_text() {
    let pairs = [
        ("FIRSTHOP__TOKEN", "1"),
        ("FIRSTHOP__GROUPS__A__HUB", "2"),
        ("FIRSTHOP__GROUPS__B__HUB", "3"),
        ("FIRSTHOP__LISTENER__PORT", "4"),
    ];
    let settings = read_with("", &pairs).unwrap();
    assert_eq!(settings.token.as_deref(), Some("1"));
    assert_eq!((settings.groups["a"].hub.as_str(), settings.groups["b"].hub.as_str()), ("2", "3"));
    assert_eq!(settings.listener.port, 4);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, told) in [
        ("FIRSTHOP__LISTENER__PROT", "1", "unknown field `prot` in [listener], did you mean `port`?"),
        ("FIRSTHOP__LISTNER__PORT", "1", "unknown field `listner`, did you mean `listener`?"),
        ("FIRSTHOP__LISTENER__PORT", "x", "invalid type: string \"x\", expected a whole number from 0 to 65535"),
        ("FIRSTHOP__LISTENER__PORT", "", "invalid type: string \"\", expected a whole number from 0 to 65535"),
        (
            "FIRSTHOP__LISTENER__PORT",
            "70000",
            "invalid value: integer `70000`, expected a whole number from 0 to 65535",
        ),
        (
            "FIRSTHOP__LISTENER__HANDSHAKE_TIMEOUT",
            "30",
            "a duration needs a unit: write \"30s\" for seconds (also ms, m, h, d)",
        ),
        ("FIRSTHOP__GROUPS__A", "{ hubb = 'x' }", "unknown field `hubb` in [groups.a], did you mean `hub`?"),
        (
            "FIRSTHOP__LISTENER__HOSTS",
            "[a]",
            "invalid type: string \"[a]\", expected an array \
             (read as plain text, because as TOML: string values must be quoted, expected literal string)",
        ),
        ("FIRSTHOP__", "1", "a key is empty here; the form is FIRSTHOP__TABLE__KEY"),
        ("FIRSTHOP__LISTENER____PORT", "1", "a key is empty here; the form is FIRSTHOP__TABLE__KEY"),
        ("FIRSTHOP__LISTENER.PORT", "1", "'.' cannot stand in the name of a key"),
    ] {
        assert_eq!(env_error("", name, value), format!("environment variable {name}: {told}"));
    }
}

#[test]
fn a_key_that_a_variable_replaces_belongs_to_the_variable() {
    assert_eq!(
        env_error("[listener]\nprot = 1", "FIRSTHOP__LISTENER__PROT", "2"),
        "environment variable FIRSTHOP__LISTENER__PROT: unknown field `prot` in [listener], did you mean `port`?"
    );
}

#[test]
fn what_a_variable_cannot_reach_is_refused_with_the_way_out() {
    assert_eq!(
        env_error("[[hubs]]\nname = 'a'\naddress = 'b'", "FIRSTHOP__HUBS__0__ADDRESS", "c"),
        "environment variable FIRSTHOP__HUBS__0__ADDRESS: `hubs` is an array (firsthop.toml:1:1), and its elements \
         cannot be set one by one; set the whole array with FIRSTHOP__HUBS=[...]"
    );
    assert_eq!(
        env_error("[groups.Meters]\nhub = 'a'", "FIRSTHOP__GROUPS__METERS__HUB", "b"),
        "environment variable FIRSTHOP__GROUPS__METERS__HUB: `Meters` (firsthop.toml:1:9) has upper-case letters, and \
         a variable can only name lower-case keys; set the table around it"
    );
    assert_eq!(
        env_error("[listener]\nport = 1", "FIRSTHOP__LISTENER__PORT__MQTT", "2"),
        "environment variable FIRSTHOP__LISTENER__PORT__MQTT: `listener.port` is not a table but of type integer \
         (firsthop.toml:2:8)"
    );
}

#[test]
fn two_variables_for_one_key_are_refused() {
    let told = read_with("", &[("FIRSTHOP__TOKEN", "a"), ("FIRSTHOP__token", "b")]).unwrap_err();
    assert_eq!(told, "environment variable FIRSTHOP__token: sets the same key as FIRSTHOP__TOKEN");
}

#[test]
fn checks_of_the_service_point_at_the_line_or_the_variable() {
    let text = "[groups.a]\nhub = 'x'\n\n[groups.b]\n";
    let variables = [("FIRSTHOP__GROUPS__C__HUB", "y")];
    let loaded: Loaded<Settings> = parse(text, "firsthop.toml", env(&variables), PREFIX).unwrap();
    let errors: Vec<_> = loaded
        .value
        .groups
        .values()
        .map(|group| loaded.source.error(group.hub.span(), format!("hub `{}` is not listed", group.hub)))
        .collect();
    assert_eq!(
        ConfigError::many(errors).unwrap_err().to_string(),
        "firsthop.toml:2:7: hub `x` is not listed\n  \
           |\n\
         2 | hub = 'x'\n  \
           |       ^^^\n\
         firsthop.toml: hub `` is not listed\n\
         environment variable FIRSTHOP__GROUPS__C__HUB: hub `y` is not listed"
    );
    assert_eq!(ConfigError::many(Vec::new()), Ok(()));
}

#[test]
fn a_file_is_loaded_and_its_paths_are_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("firsthop.toml");
    fs::write(&path, "listener.port = 1").unwrap();
    let loaded: Loaded<Settings> = load(&path, env(&[("FIRSTHOP__LISTENER__TLS", "false")]), PREFIX).unwrap();
    assert_eq!((loaded.value.listener.port, loaded.value.listener.tls), (1, false));
    assert_eq!(loaded.source.resolve(Path::new("certs/ca.pem")), folder.path().join("certs/ca.pem"));
    assert_eq!(loaded.source.resolve(Path::new("/etc/ca.pem")), Path::new("/etc/ca.pem"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| load::<Settings>(path, [], PREFIX).unwrap_err().to_string();

    let missing = folder.path().join("missing.toml");
    assert_eq!(told(&missing), format!("{}: the file does not exist", missing.display()));
    let directory = folder.path();
    assert_eq!(told(directory), format!("{}: this is a directory, a file is needed", directory.display()));

    let large = folder.path().join("large.toml");
    fs::File::create(&large).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert_eq!(told(&large), format!("{}: the file is larger than 8 MiB", large.display()));

    let latin1 = folder.path().join("latin1.toml");
    fs::write(&latin1, b"# ok\ntoken = 'caf\xe9'\n").unwrap();
    assert_eq!(
        told(&latin1),
        format!(
            "{}:2:13: the file is not UTF-8: byte 0xe9 cannot stand here\n  \
               |\n\
             2 | token = 'caf\u{fffd}'\n  \
               |             ^",
            latin1.display()
        )
    );
}

#[test]
fn deep_nesting_is_refused_without_overflowing_the_stack() {
    let key = vec!["a"; 79].join(".");
    let deep = format!("{}1{}", format!("{{{key}=").repeat(79), "}".repeat(79));
    assert!(error(&format!("free = {deep}")).contains("nested more than 64 levels deep"));
    assert!(error(&format!("free = {deep} x")).starts_with("firsthop.toml:1:"));
    assert!(error(&format!("free = 1\nfree = {deep}")).starts_with("firsthop.toml:"));
    assert!(error(&format!("free = {}", "[".repeat(100_000))).starts_with("firsthop.toml:1:"));
    assert!(error(&format!("{}a = 1", "a.".repeat(1_000_000))).starts_with("firsthop.toml"));
    assert!(env_error("", "FIRSTHOP__LISTENER", &deep).contains("as TOML: nested more than 64 levels deep"));
    let most = format!("free = {}{}", "[".repeat(64), "]".repeat(64));
    assert!(read_with(&most, &[]).is_ok());
    assert!(error(&most.replace("[]", "[[]]")).contains("nested more than 64 levels deep"));
    let long = format!("FIRSTHOP{}", "__A".repeat(17));
    assert!(env_error("", &long, "1").ends_with("names more than 16 keys"));
}

#[test]
fn a_date_without_quotes_is_refused_wherever_it_stands() {
    for date in ["2026-01-01", "2026-01-01T00:00:00Z", "07:32:00"] {
        let told = error(&format!("free = 1\nhubs = [{{ a = [{date}] }}]"));
        assert!(told.starts_with("firsthop.toml:2:16: ") && told.contains("write a date as text"), "{told}");
        let told = env_error("", "FIRSTHOP__LISTENER", &format!("{{ a = {date} }}"));
        assert!(told.contains("write a date as text"), "{told}");
        assert!(read_with("", &[("FIRSTHOP__FREE", date)]).is_ok(), "where text is wanted it is text");
    }
}

#[test]
fn what_is_shown_is_bounded_and_cannot_steer_a_terminal() {
    let told = error(&format!("listener = {{ hosts = [{} 5, {}] }}", "'x',".repeat(5000), "'y',".repeat(5000)));
    assert!(told.len() < 500, "{told}");
    let told = error(&format!("\"{}\\u001b[2J\" = 1", "k".repeat(5000)));
    assert!(told.chars().count() < 1500 && !told.contains('\u{1b}'), "{told}");
    assert!(
        told.lines().next().unwrap().ends_with("expected one of `listener`, `hubs`, `groups`, `token`, `free`"),
        "{told}"
    );
    let told = error("\"\\u001b[2J\" = 1");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn debug_output_keeps_the_text_to_itself() {
    let loaded: Loaded<Settings> = parse("token = 'hush'", "a.toml", [], PREFIX).unwrap();
    assert!(!format!("{:?}", loaded.source).contains("hush"));
}

fn toml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("listener"),
        Just("hubs"),
        Just("groups"),
        Just("token"),
        Just("port"),
        Just("free"),
        Just("."),
        Just(" = "),
        Just("\n"),
        Just("["),
        Just("]"),
        Just("[["),
        Just("]]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just("'x'"),
        Just("\""),
        Just("'''"),
        Just("\"\"\""),
        Just("1"),
        Just("-7.5"),
        Just("true"),
        Just("#"),
        Just("\r\n"),
        Just("\\u00e9"),
        Just("é"),
        Just("\u{feff}"),
        Just("1979-05-27T07:32:00Z"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![any::<String>(), toml_like()]) {
        if let Err(e) = read_with(&text, &[]) {
            prop_assert!(e.starts_with("firsthop.toml"), "{}", e);
        }
    }

    #[test]
    fn no_bytes_in_a_file_make_the_loader_panic(bytes: Vec<u8>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let _ = load::<Settings>(file.path(), [], PREFIX);
    }

    #[test]
    fn no_variable_makes_the_loader_panic(
        name in "(LISTENER|HUBS|GROUPS|TOKEN|FREE|\\PC{0,4})(__(PORT|A|0|\\PC{0,4})){0,3}",
        value in prop_oneof![any::<String>(), toml_like()],
        text in toml_like(),
    ) {
        let name = format!("{PREFIX}{name}");
        if let Err(e) = read_with(&text, &[(&name, &value)]) {
            prop_assert!(e.starts_with("firsthop.toml") || e.starts_with("environment variable FIRSTHOP__"), "{}", e);
        }
    }

    #[test]
    fn a_key_path_comes_back_from_the_name_of_its_variable(
        keys in prop::collection::vec("[a-z0-9]([a-z0-9_-]{0,6}[a-z0-9])?", 1..6).prop_filter(
            "two underscores separate",
            |keys| keys.iter().all(|key| !key.contains("__")),
        ),
        value: i64,
    ) {
        let name = format!("{PREFIX}{}", keys.join("__").to_ascii_uppercase());
        let loaded: Loaded<toml::Value> = parse("", "a.toml", [(name, value.to_string())], PREFIX).unwrap();
        let found = keys.iter().try_fold(&loaded.value, |table, key| table.get(key));
        prop_assert_eq!(found, Some(&toml::Value::Integer(value)));
    }

    #[test]
    fn any_text_in_a_variable_reaches_a_setting_that_wants_text(value in "[^\"'].*|") {
        let settings = read_with("", &[("FIRSTHOP__TOKEN", &value)]);
        prop_assert_eq!(settings.map(|s| s.token), Ok(Some(value)));
    }

    #[test]
    fn every_span_has_a_place(start: usize, len in 0usize..100, text: String) {
        let source = Source::new("a.toml", &text, Path::new(""));
        for start in [start, start % 64] {
            let _ = source.error(Span { start, end: start.saturating_add(len) }, "x").to_string();
        }
    }
}
