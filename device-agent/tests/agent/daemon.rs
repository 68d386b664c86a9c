//! The daemon's command line, as far as it needs no service: what it says of its configuration, and clients without a daemon.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::pki::{AUTHORITY, DEVICE};

/// A folder with a configuration, and the files that it names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("root.pem", &AUTHORITY.certificate.pem());
    write("dev.pem", &DEVICE.chain_pem);
    write("dev.key", &DEVICE.key_pem);
    write(
        "agent.toml",
        "[service]\nhost = \"provisioning.example\"\nca = \"root.pem\"\n[identity]\ncertificate = \"dev.pem\"\nkey = \"dev.key\"\n\
         [state]\nfolder = \"state/agent\"\n[local]\nsocket = \"agent.sock\"\n",
    );
    folder
}

fn run(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firsthop-agent"));
    command.current_dir(folder).args(arguments).envs(env.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_tells_what_it_found_and_makes_nothing() {
    let folder = folder();
    // Variables of options and of the configuration do not disturb each other.
    let env = [
        ("FIRSTHOP_AGENT_CONFIG", "agent.toml"),
        ("FIRSTHOP_AGENT_HOST", "nowhere.example"),
        ("FIRSTHOP_AGENT__SERVICE__PORT", "8884"),
    ];
    let output = run(folder.path(), &["check"], &env);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for expected in
        ["agent.toml: fine\n", "provisioning.example:8884\n", "registration  dev-1\n", "methods       none\n"]
    {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!folder.path().join("state").exists());
}

#[test]
fn check_warns_of_a_certificate_that_ends_soon() {
    let folder = folder();
    let env = [("FIRSTHOP_AGENT__IDENTITY__WARN_BEFORE", "1000000d")];
    let output = run(folder.path(), &["check", "-c", "agent.toml"], &env);
    let warned = text(&output.stderr);
    assert!(warned.starts_with("warning: the certificate expires at") && output.status.success(), "{output:?}");
}

#[test]
fn check_tells_every_problem_besides_the_file_and_ends_with_78() {
    let folder = folder();
    std::fs::write(folder.path().join("state"), "no folder").unwrap();
    std::fs::write(folder.path().join("agent.sock"), "no socket").unwrap();
    std::fs::set_permissions(folder.path().join("dev.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(folder.path(), &["check", "-c", "agent.toml"], &[]);
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(78), ""), "{told}");
    for expected in ["chmod 600", "state.folder", "is no socket"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn check_refuses_a_state_folder_that_run_would_refuse() {
    let folder = folder();
    let state = folder.path().join("state/agent");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o770)).unwrap();
    let output = run(folder.path(), &["check", "-c", "agent.toml"], &[]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(text(&output.stderr).contains("chmod 700"), "{output:?}");
    let output = run(folder.path(), &["run", "-c", "agent.toml"], &[]);
    assert!(text(&output.stderr).contains("chmod 700"), "{output:?}");
}

#[test]
fn a_mistake_in_the_file_ends_run_and_check_with_78_and_its_line() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.toml"), "[service]\nhots = \"x\"\n").unwrap();
    for command in ["run", "check"] {
        let output = run(folder.path(), &[command, "-c", "bad.toml"], &[]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("bad.toml:2:1") && told.contains("did you mean `host`?"), "{told}");
    }
    let output = run(folder.path(), &["run", "-c", "agent.toml", "--log", "firsthop=loud"], &[]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
}

#[test]
fn clients_say_that_no_agent_runs() {
    let folder = folder();
    let socket = [("FIRSTHOP_AGENT_SOCKET", "agent.sock")];
    for command in
        [&["status"][..], &["publish", "--lines"], &["report", "{}"], &["twin"], &["messages"], &["reprovision"]]
    {
        let output = run(folder.path(), command, &socket);
        let told = text(&output.stderr);
        assert!(told.starts_with("error: no agent runs here: agent.sock: "), "{told}");
        assert_eq!(output.status.code(), Some(6));
    }
}

#[test]
fn an_exit_code_does_not_take_a_standard_error_that_somebody_reads() {
    let folder = folder();
    for (arguments, code) in [
        (&["run", "-c", "none.toml"][..], 78),
        (&["check", "-c", "none.toml"], 78),
        (&["status", "--socket", "none"], 6),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_firsthop-agent"));
        let ended = command.current_dir(folder.path()).args(arguments).stderr(writer).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}
