//! The floors of this crate: which module may use which. Reads the `crate::` and `super::` paths of every source file.
//!
//! A line that breaks the plan is told as `file:line`. What the plan allows stands in [`FLOORS`] and [`CRATES`], with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of the crate's root and what it may use besides itself.
struct Floor {
    module: &'static str,
    uses: &'static [&'static str],
    /// Why no more than that.
    because: &'static str,
}

const FLOORS: &[Floor] = &[
    Floor { module: "domain", uses: &[], because: "decisions know nothing of who asks and where things are kept" },
    Floor {
        module: "provisioner",
        uses: &["domain", "fault_point"],
        because: "use cases reach the world through the domain's ports only",
    },
    Floor {
        module: "hub",
        uses: &["domain", "fault_point"],
        because: "the hub role is reached by the provisioner through a port of the domain, as a hub on another machine is",
    },
    Floor {
        module: "front",
        uses: &["domain", "provisioner", "hub", "pem"],
        because: "an adapter does not know the adapters beside it",
    },
    Floor {
        module: "admin",
        uses: &["domain", "provisioner", "hub", "http"],
        because: "an adapter does not know the adapters beside it",
    },
    Floor {
        module: "remote",
        uses: &["domain", "hub", "http"],
        because: "it carries the hub port over the network and decides nothing",
    },
    Floor { module: "webhook", uses: &["domain", "http"], because: "it implements a port of the domain" },
    Floor { module: "http", uses: &["pem"], because: "what the adapters that speak HTTP share knows none of them" },
    Floor { module: "fault_point", uses: &[], because: "tests end the process there; it does nothing else" },
    Floor { module: "pem", uses: &[], because: "files of certificates are read for whoever needs them" },
    Floor {
        module: "store",
        uses: &["domain"],
        because: "the store implements a port of the domain and is called through it",
    },
    Floor { module: "logging", uses: &[], because: "logs are set up before anything else runs" },
    Floor {
        module: "settings",
        uses: &["domain", "provisioner", "front", "store", "logging", "hub", "admin", "remote", "webhook"],
        because: "it gathers the settings of the modules and runs none of them",
    },
    Floor {
        module: "service",
        uses: &["domain", "provisioner", "front", "store", "logging", "settings", "hub", "admin", "remote", "webhook"],
        because: "it wires everything and is started by the commands",
    },
    Floor {
        module: "cli",
        uses: &[
            "domain",
            "provisioner",
            "front",
            "store",
            "logging",
            "settings",
            "service",
            "hub",
            "admin",
            "remote",
            "webhook",
            "http",
        ],
        because: "the commands stand on top",
    },
    Floor { module: "main", uses: &[], because: "the program is its command line, which it calls by the crate's name" },
];

/// Crates that belong to some modules only.
struct Belongs {
    name: &'static str,
    to: &'static [&'static str],
    because: &'static str,
}

const CRATES: &[Belongs] = &[
    Belongs {
        name: "tokio",
        to: &["provisioner", "hub", "front", "store", "webhook", "remote", "admin", "http", "service", "cli"],
        because: "a decision does not wait",
    },
    Belongs {
        name: "tokio_rustls",
        to: &["front", "remote"],
        because: "two ports take TLS: that of devices and that of hubs",
    },
    Belongs { name: "axum", to: &["remote", "admin", "http"], because: "routes are the adapters'" },
    Belongs { name: "hyper", to: &["http"], because: "how a connection is served is decided once" },
    Belongs { name: "hyper_util", to: &["http"], because: "how a connection is served is decided once" },
    Belongs {
        name: "reqwest",
        to: &["webhook", "remote", "cli", "http", "settings"],
        because: "the service calls webhooks and hubs, the commands call the service; settings read URLs as these will",
    },
    Belongs { name: "rustls_native_certs", to: &["http"], because: "whom clients trust is decided once" },
    Belongs { name: "socket2", to: &["front"], because: "only the front door listens" },
    Belongs { name: "rumqttd", to: &["front"], because: "what speaks MQTT may be replaced without the rest" },
    Belongs { name: "redb", to: &["store"], because: "where registrations are kept may be replaced without the rest" },
    Belongs { name: "clap", to: &["cli", "logging"], because: "arguments are the command line's" },
    Belongs { name: "indicatif", to: &["cli"], because: "only a command draws on a terminal" },
    Belongs { name: "firsthop_agent", to: &["cli"], because: "the agent is a client; the demo runs some" },
    Belongs {
        name: "firsthop_certs",
        to: &["cli"],
        because: "the service issues no certificates; the demo makes a PKI",
    },
];

#[test]
fn every_module_uses_only_the_floors_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let module = module_path(relative);
        // `lib.rs` is the root: it names the modules and is on no floor.
        let Some(root) = module.first() else { continue };
        let Some(floor) = floor(root) else {
            faults.push(format!(
                "src/{}: the module {root} is on no floor; give it one in {}",
                relative.display(),
                file!()
            ));
            continue;
        };
        seen.insert(floor.module);
        let text = fs::read_to_string(&file).unwrap();
        let tests = if is_of_tests(&module) { 0 } else { tests_begin(&text) };
        for (line, used) in used(&text, &module) {
            // Tests keep the floors too, but may use any crate.
            if line < tests || matches!(used, Used::Module(_)) {
                faults.extend(fault(floor, &used).map(|fault| format!("src/{}:{line}: {fault}", relative.display())));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    let gone: Vec<_> = FLOORS.iter().map(|floor| floor.module).filter(|module| !seen.contains(module)).collect();
    assert!(gone.is_empty(), "the plan has floors that the source has not: {gone:?}");
}

#[test]
fn the_protocol_crate_waits_for_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (number, line) in manifest.lines().enumerate() {
        for heavy in ["tokio", "futures", "async", "rustls", "rumqtt", "redb", "mio", "hyper"] {
            assert!(
                !line.starts_with(heavy),
                "protocol/Cargo.toml:{}: {heavy} does not belong to the protocol",
                number + 1
            );
        }
    }
    assert_without(
        &folder.join("src"),
        &["async fn", "async move", ".await", "std::net", "std::thread", "std::fs", "std::env"],
    );
}

#[test]
fn the_domain_has_no_clock_and_touches_nothing() {
    let clocks = ["Timestamp::now", "Instant::now", "SystemTime", "now_utc"];
    // An address is a value; what opens a socket is not.
    let world = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::thread",
        "std::env",
        "std::process",
        "async fn",
        ".await",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    assert_without(&folder, &[&clocks[..], &world[..]].concat());
}

#[test]
fn paths_are_found_in_groups_and_across_lines_but_not_in_comments_and_texts() {
    let text = r#"
//! [`Store`](crate::domain::ports::Store) is only named here.
use super::{Session, mailbox};
use crate::{domain::quota, store::{self, RedbStore}};
use tokio::sync::watch; // crate::cli
use super::super::super::settings::{
    Settings, super_thing,
};
use crate::{
    service,
    logging::{cli, main},
};
fn f() { let _ = "crate::main"; crate::provisioner::go(); /* crate::logging */ }
pub(in crate::front) fn g() { self::tokio::h() }
mod tests { use super::*; }
"#;
    let found: BTreeSet<_> = used(text, &["front".into(), "packet".into(), "publish".into()]).into_iter().collect();
    let module = |line, name: &str| (line, Used::Module(name.into()));
    let expected = BTreeSet::from([
        module(4, "domain"),
        module(4, "store"),
        (5, Used::Crate("tokio".into())),
        module(6, "settings"),
        module(9, "service"),
        module(9, "logging"),
        module(13, "provisioner"),
        module(14, "front"),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn a_module_that_reaches_up_or_aside_is_found_out() {
    let told = |root: &str, text: &str| {
        let found = used(text, &[root.to_owned(), "x".to_owned()]);
        found.iter().find_map(|(_, used)| fault(floor(root).unwrap(), used))
    };
    assert!(told("domain", "use crate::store::RedbStore;").unwrap().contains("nothing of the crate"));
    assert!(told("provisioner", "use super::super::front::door;").is_some());
    assert!(told("store", "use crate::{domain, front};").is_some());
    assert!(told("domain", "use tokio::sync::watch;").unwrap().contains("does not wait"));
    assert!(told("front", "use crate::unheard_of::X;").is_some());
    assert_eq!(told("front", "use crate::provisioner::Provisioner;"), None);
}

fn floor(module: &str) -> Option<&'static Floor> {
    FLOORS.iter().find(|floor| floor.module == module)
}

fn fault(floor: &Floor, used: &Used) -> Option<String> {
    let root = floor.module;
    match used {
        Used::Module(used) if used == root || floor.uses.contains(&used.as_str()) => None,
        Used::Module(used) => {
            let allowed = if floor.uses.is_empty() { "nothing of the crate".to_owned() } else { floor.uses.join(", ") };
            Some(format!("{root} uses {used}, but may use {allowed}: {}", floor.because))
        }
        Used::Crate(name) => {
            CRATES.iter().find(|belongs| belongs.name == name && !belongs.to.contains(&root)).map(|belongs| {
                format!("{root} uses the crate {name}, which belongs to {}: {}", belongs.to.join(", "), belongs.because)
            })
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Used {
    /// A module of the crate's root.
    Module(String),
    /// One of [`CRATES`].
    Crate(String),
}

/// What a file of that module uses, each with the line where its statement begins.
fn used(text: &str, module: &[String]) -> Vec<(usize, Used)> {
    let mut used = Vec::new();
    for (number, statement) in statements(text) {
        let tokens = tokens(&statement);
        let is = |at: usize, wanted: &str| tokens.get(at).is_some_and(|token| token == wanted);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let begins_path = at == 0 || !is(at - 1, "::");
            match token.as_str() {
                _ if !begins_path => {}
                "crate" => {
                    // `crate` alone is a visibility.
                    let heads = if is(at + 1, "::") { heads(&tokens, at + 2) } else { Vec::new() };
                    used.extend(heads.into_iter().map(|head| (number, Used::Module(head))));
                }
                "super" => {
                    let mut up = 1;
                    while is(at + 1, "::") && is(at + 2, "super") {
                        (up, at) = (up + 1, at + 2);
                    }
                    // Below the root it stays in its own module. At the root what follows is a module there, or an item of this file
                    // when it is said in a module inside it.
                    if up >= module.len() {
                        let heads = heads(&tokens, at + 2).into_iter().filter(|head| floor(head).is_some());
                        used.extend(heads.map(|head| (number, Used::Module(head))));
                    }
                }
                name if is(at + 1, "::") && CRATES.iter().any(|belongs| belongs.name == name) => {
                    used.push((number, Used::Crate(name.to_owned())));
                }
                _ => {}
            }
            at += 1;
        }
    }
    used
}

/// The first names after `crate::`: one, or those of a group.
fn heads(tokens: &[String], at: usize) -> Vec<String> {
    let rest = tokens.get(at..).unwrap_or_default();
    if rest.first().is_none_or(|token| token != "{") {
        return rest.first().cloned().into_iter().collect();
    }
    let (mut depth, mut heads) = (0, Vec::new());
    for (at, token) in rest.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," => {}
            name if depth == 1 && matches!(rest[at - 1].as_str(), "{" | ",") => heads.push(name.to_owned()),
            _ => {}
        }
    }
    heads
}

/// The line of the file's own module of tests, which is its last.
fn tests_begin(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    begin.map_or(usize::MAX, |at| at + 1)
}

fn is_of_tests(module: &[String]) -> bool {
    module.iter().any(|part| part == "tests")
}

/// Lines, but a `use` as a whole.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    for (number, line) in code_lines(text) {
        match statements.last_mut() {
            Some((_, open)) if open.split_whitespace().any(|word| word == "use") && !open.contains(';') => {
                open.push_str(&line)
            }
            _ => statements.push((number, line)),
        }
    }
    statements
}

fn tokens(statement: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = statement.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

/// The lines of a file without comments and without what stands in texts. A text that goes on in the next line is taken as ended.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut in_comment = false;
    for (number, line) in text.lines().enumerate() {
        let mut code = String::new();
        let mut rest = line;
        while !rest.is_empty() {
            if in_comment {
                match rest.split_once("*/") {
                    Some((_, after)) => (in_comment, rest) = (false, after),
                    None => break,
                }
            } else if rest.starts_with("//") {
                break;
            } else if let Some(after) = rest.strip_prefix("/*") {
                (in_comment, rest) = (true, after);
            } else if let Some(after) = rest.strip_prefix('"') {
                rest = after_text(after);
            } else {
                let mut chars = rest.chars();
                code.extend(chars.next());
                rest = chars.as_str();
            }
        }
        lines.push((number + 1, code));
    }
    lines
}

fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return &text[at + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

/// Fails at the first line of the folder that has one of these words.
fn assert_without(folder: &Path, words: &[&str]) {
    for file in rust_files(folder) {
        for (number, line) in code_lines(&fs::read_to_string(&file).unwrap()) {
            for word in words {
                assert!(!line.contains(word), "{}:{number}: {word} does not belong here", file.display());
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `front/packet/mod.rs` is the module `front::packet`.
fn module_path(relative: &Path) -> Vec<String> {
    let mut path: Vec<String> =
        relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}
