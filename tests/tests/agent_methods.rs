//! Direct methods: programs that the operator allowed, through the real service and hub.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use firsthop_tests::site::DEVICE;
use firsthop_tests::*;
use serde_json::{Value, json};

/// A device with these methods, on its hub.
fn with_methods(methods: &str) -> (Site, Agent) {
    let site = Site::new();
    let agent = site.agent().with(methods).start();
    agent.until_connected();
    (site, agent)
}

fn invoke(site: &Site, method: &str, payload: &str) -> Value {
    site.service.managed(&["device", "invoke", DEVICE, method, "--payload", payload])
}

#[test]
fn a_method_runs_its_program_with_the_payload_on_its_standard_input() {
    let (site, _agent) = with_methods(
        "[methods.echo]\ncommand = [\"/bin/cat\"]\n\
         [methods.say]\ncommand = [\"/bin/echo\", \"$HOME\", \"; false\"]\n",
    );
    let answer = invoke(&site, "echo", r#"{"delay":5}"#);
    assert_eq!((&answer["status"], &answer["payload"]["output"]), (&json!(200), &json!({"delay": 5})), "{answer}");
    // Without a shell.
    let answer = invoke(&site, "say", "null");
    assert_eq!((&answer["status"], &answer["payload"]["stdout"]), (&json!(200), &json!("$HOME ; false\n")), "{answer}");
}

#[test]
fn a_method_that_fails_takes_too_long_or_says_too_much_is_answered() {
    let (site, _agent) = with_methods(
        "[methods.fails]\ncommand = [\"/bin/ls\", \"/no/such/place\"]\n\
         [methods.sleeps]\ncommand = [\"/bin/sleep\", \"600\"]\ntimeout = \"200ms\"\n\
         [methods.counts]\ncommand = [\"/usr/bin/seq\", \"100000\"]\noutput = \"1KiB\"\n",
    );
    let answer = invoke(&site, "fails", "null");
    assert_eq!((&answer["status"], &answer["payload"]["exitCode"]), (&json!(500), &json!(2)), "{answer}");
    assert!(answer["payload"]["stderr"].as_str().is_some_and(|text| text.contains("/no/such/place")), "{answer}");
    let answer = invoke(&site, "sleeps", "null");
    assert_eq!(answer["status"], 504, "{answer}");
    let answer = invoke(&site, "counts", "null");
    assert_eq!((&answer["status"], &answer["payload"]["stdoutTruncated"]), (&json!(200), &json!(true)), "{answer}");
    let said = answer["payload"]["stdout"].as_str().expect("what it said");
    assert!(said.starts_with("1\n2\n") && said.len() <= 1024, "{answer}");
}

#[test]
fn a_method_that_nobody_allowed_is_not_there() {
    let (site, _agent) = with_methods("[methods.echo]\ncommand = [\"/bin/cat\"]\n");
    for method in ["reboot", "sh", "bin-cat"] {
        assert_eq!(invoke(&site, method, "null")["status"], 404, "{method}");
    }
}

/// Pipes by which programs hold on, or say that they ran.
fn fifo(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let c_path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0, "{}", std::io::Error::last_os_error());
    path
}

/// What comes through a pipe, once somebody has written to it.
fn through(path: PathBuf) -> Receiver<String> {
    let (sender, text) = channel();
    std::thread::spawn(move || sender.send(std::fs::read_to_string(path).expect("a pipe")));
    text
}

#[test]
fn more_methods_at_a_time_than_the_agent_runs_are_refused_and_the_others_end_well() {
    let site = Site::new();
    let config = site.agent();
    let gate = fifo(config.dir(), "gate");
    let began = fifo(config.dir(), "began");
    let script = config.dir().join("wait.sh");
    std::fs::write(&script, format!("echo x > {}; read line < {}", began.display(), gate.display())).unwrap();
    let agent = config
        .with(&format!("[methods.wait]\ncommand = [\"/bin/sh\", \"{}\"]\ntimeout = \"60s\"\n", script.display()))
        .start();
    agent.until_connected();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..4)
            .map(|_| {
                let runs = through(began.clone());
                let call = scope.spawn(|| invoke(&site, "wait", "null"));
                runs.recv_timeout(PATIENCE).expect("it runs");
                call
            })
            .collect();
        assert_eq!(invoke(&site, "wait", "null")["status"], 429);
        // A line for each; the pipe stays open until the last one has read its own.
        let mut lines = std::fs::File::options().write(true).open(&gate).unwrap();
        lines.write_all(b"\n\n\n\n").unwrap();
        for call in running {
            assert_eq!(call.join().unwrap()["status"], 200);
        }
    });
    assert_eq!(agent.try_status()["onHub"], true);
}

#[test]
fn a_method_that_answers_first_is_answered_before_its_program_runs() {
    let site = Site::new();
    let config = site.agent();
    let ran = fifo(config.dir(), "ran");
    let source = config.dir().join("root.pem");
    let agent = config
        .with(&format!(
            "[methods.reboot]\ncommand = [\"/bin/cp\", \"{}\", \"{}\"]\nanswer_first = true\n",
            source.display(),
            ran.display()
        ))
        .start();
    agent.until_connected();
    // The pipe has no reader yet, so the program could not end before the answer.
    assert_eq!(invoke(&site, "reboot", "{}"), json!({"status": 202, "payload": {"accepted": true}}));
    assert!(through(ran).recv_timeout(PATIENCE).expect("it runs").contains("BEGIN CERTIFICATE"));
}
