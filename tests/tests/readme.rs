//! The commands of README.md do what it says. Its shell blocks run in order as one script, in an empty folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Blocks that `tests/run` itself runs: the demo, and the test command.
const RUN_ELSEWHERE: [&str; 2] = ["cargo run --release -- demo\n", "./tests/run\n"];
/// The block that builds the commands; here they are built already.
const BUILD: &str = "cargo build --release --workspace\nexport PATH=\"$PWD/target/release:$PATH\"\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn shell_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Test executables lie in `target/<profile>/deps`, the commands one folder up.
fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback has a free port").port()
}

#[test]
fn every_shell_command_of_the_readme_runs_as_written() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks = shell_blocks(&readme);
    assert!(RUN_ELSEWHERE.iter().all(|block| blocks.iter().any(|known| known == block)), "{blocks:?}");
    assert!(blocks.iter().any(|block| block == BUILD), "{blocks:?}");
    let ports = [free_port(), free_port(), free_port()].map(|port| port.to_string());
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for block in blocks.iter().filter(|block| !RUN_ELSEWHERE.contains(&block.as_str()) && *block != BUILD) {
        for line in block.lines() {
            script.push_str(line);
            script.push('\n');
            if line.starts_with("firsthop-agent run") {
                script.push_str("until firsthop-agent status --socket agent.sock >status 2>&1; do kill -0 %2; done\n");
            } else if line.ends_with('&') && !line.ends_with("&&") {
                // A reader types slower than the service starts; a script does not.
                script.push_str("until (exec 3<>/dev/tcp/127.0.0.1/8883) 2>/dev/null; do kill -0 %1; done\n");
            }
        }
    }
    script.push_str("wait\n");
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", binaries().display(), std::env::var("PATH").unwrap());
    let script = ["8883", "8884", "8885"]
        .iter()
        .zip(&ports)
        .fold(script, |script, (written, port)| script.replace(written, port));
    let output =
        Command::new("bash").arg("-c").arg(&script).current_dir(folder.path()).env("PATH", path).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n--- stdout\n{out}\n--- stderr\n{err}");
    let on = |port: &str| format!(r#""assignedHub":"localhost:{port}""#);
    let said = [on(&ports[1]), on(&ports[2])];
    let expected =
        ["firsthop.toml: fine", r#""state":"assigned""#, "deviceDataMigrated", r#""firmware":"1.4""#, "factory-7"];
    for expected in expected.into_iter().chain(said.iter().map(String::as_str)) {
        assert!(out.contains(expected), "{expected} is missing:\n{out}\n--- stderr\n{err}");
    }
}
