//! What decides has no clock and touches nothing, and no module knows those above it. Reads the source.

use std::fs;
use std::path::{Path, PathBuf};

/// A module and those of the crate that it must not name, as they stand above it or beside it.
const ABOVE: &[(&str, &[&str])] = &[
    ("flow", &["device", "disk", "hub", "twin", "keys", "client", "connection", "stream", "packet", "tls"]),
    ("twin", &["device", "disk", "hub", "flow", "keys", "client", "connection", "stream", "packet", "tls"]),
    ("packet", &["device", "disk", "hub", "flow", "twin", "keys", "client", "connection", "stream", "tls"]),
    ("hub", &["device", "disk", "flow", "twin", "keys"]),
    ("disk", &["device", "hub", "keys", "client", "connection", "stream", "packet", "tls"]),
    ("keys", &["device", "disk", "hub", "flow", "twin", "client", "connection", "stream", "packet"]),
];

/// Clocks, chance, and the world.
const IMPURE: &[&str] = &[
    "Instant::now",
    "Timestamp::now",
    "SystemTime",
    "Rng::new(",
    "fastrand::u",
    "tokio",
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::thread",
    "std::env",
    "async fn",
    ".await",
];

fn source(module: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{module} has no source");
    files
}

/// The lines of a file that are neither comment nor test, with their numbers.
fn code(path: &Path, text: &str) -> Vec<(usize, String)> {
    if path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs") {
        return Vec::new();
    }
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("mod tests"));
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.map(|(at, line)| (at + 1, line.to_owned())).collect()
}

#[test]
fn what_decides_has_no_clock_no_chance_and_touches_nothing() {
    for module in ["flow", "twin"] {
        for (path, text) in source(module) {
            for (number, line) in code(&path, &text) {
                for word in IMPURE {
                    assert!(!line.contains(word), "{}:{number}: {word} in what decides: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn no_module_knows_those_above_it() {
    for (module, above) in ABOVE {
        for (path, text) in source(module) {
            for (number, line) in code(&path, &text) {
                for other in *above {
                    let named = [format!("crate::{other}::"), format!("crate::{{{other}"), format!("crate::{other};")];
                    let names = named.iter().any(|named| line.contains(named));
                    assert!(!names, "{}:{number}: {module} names {other}: {line}", path.display());
                }
            }
        }
    }
}
