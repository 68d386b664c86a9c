//! Programs of every kind, run for real.

use std::fs::File;
use std::io::{BufRead, BufReader};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::*;

fn shell(script: &str) -> Method {
    Method {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        timeout: Duration::from_secs(20),
        output: 1024,
        answer_first: false,
    }
}

fn methods(method: Method) -> Methods {
    Methods::new(BTreeMap::from([("m".to_owned(), method)]))
}

async fn called(method: Method, payload: &'static str) -> (i32, Value) {
    told(methods(method).admit("m", &Bytes::from_static(payload.as_bytes())).unwrap().finish().await)
}

fn told(answer: Answer) -> (i32, Value) {
    let status = answer.status;
    (status, serde_json::from_slice(&answer.payload()).unwrap())
}

#[tokio::test]
async fn a_program_gets_the_payload_and_an_environment_that_is_all_its_own() {
    let (status, answer) =
        called(shell("cat; echo; pwd; env | sort | grep -v '^_=\\|SHLVL\\|OLDPWD\\|PWD'; echo oh >&2"), "in").await;
    let stdout = format!(
        "in\n/\nFIRSTHOP_METHOD=m\nHOME=/\nLANG=C.UTF-8\nPATH={}\n",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    assert_eq!((status, answer), (200, json!({ "exitCode": 0, "stdout": stdout, "stderr": "oh\n" })));
}

#[tokio::test]
async fn output_that_is_json_is_given_as_such() {
    let (_, answer) = called(shell("echo '{\"a\":[1,2]}'"), "").await;
    assert_eq!(answer, json!({ "exitCode": 0, "output": { "a": [1, 2] }, "stderr": "" }));
}

#[tokio::test]
async fn a_failure_is_answered_with_500_and_its_exit_code_or_signal() {
    assert_eq!(called(shell("exit 3"), "").await, (500, json!({ "exitCode": 3, "stdout": "", "stderr": "" })));
    assert_eq!(called(shell("kill -9 $$"), "").await, (500, json!({ "signal": 9, "stdout": "", "stderr": "" })));
    let missing = Method { program: "/no/such/program".into(), ..shell("") };
    let (status, answer) = called(missing, "").await;
    assert!(status == 500 && answer["error"].as_str().unwrap().contains("cannot be run"), "{answer}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    let (_folder, path) = pipe();
    let script = format!("exec 3> {}; echo out; sleep 1000 & sleep 1000", path.display());
    let reads = spawn_blocking(|| std::fs::read(path).unwrap());
    let method = Method { timeout: Duration::from_millis(300), ..shell(&script) };
    let (status, answer) = called(method, "").await;
    let expected = json!({ "error": "the program was killed after 300ms", "stdout": "out\n", "stderr": "" });
    assert_eq!((status, answer), (504, expected));
    assert_eq!(reads.await.unwrap(), b"", "the last that had the pipe is gone");
}

#[tokio::test]
async fn what_a_program_leaves_running_holds_up_nothing() {
    let begun = std::time::Instant::now();
    let (status, answer) = called(shell("sleep 30 & echo $!"), "").await;
    assert_eq!(status, 200);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let left = Pid::from_raw(i32::try_from(answer["output"].as_i64().unwrap()).unwrap()).unwrap();
    kill_process(left, Signal::KILL).expect("it was left alone");
}

#[tokio::test]
async fn output_beyond_the_limit_is_drained_and_marked() {
    let (status, answer) = called(shell("head -c 3000000 /dev/zero | tr '\\0' x; echo e >&2"), "").await;
    assert_eq!(status, 200);
    assert_eq!(answer["stdout"].as_str().unwrap().len(), 1024);
    assert_eq!((&answer["stdoutTruncated"], &answer["stderrTruncated"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_limit_counts_what_the_text_has_as_json() {
    let (_, answer) = called(shell("head -c 1024 /dev/zero"), "").await;
    assert_eq!(answer["stdout"].as_str().unwrap().len(), 1024 / 6);
    assert_eq!(answer["stdoutTruncated"], true);
}

#[tokio::test]
async fn a_payload_that_the_program_does_not_read_holds_up_nothing() {
    let payload = Bytes::from(vec![b'x'; MAX_PAYLOAD]);
    let run = methods(shell("true")).admit("m", &payload).unwrap();
    assert_eq!(told(run.finish().await).0, 200);
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_answered_with_404_and_learns_no_other() {
    let (status, answer) = told(methods(shell("true")).admit("../m", &Bytes::new()).unwrap_err());
    assert_eq!((status, answer), (404, json!({ "error": "there is no such method" })));
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_answered_with_400() {
    let payload = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
    assert_eq!(methods(shell("true")).admit("m", &payload).unwrap_err().status, 400);
}

#[tokio::test]
async fn as_many_run_as_there_are_places_and_a_place_is_free_again_at_the_end() {
    let methods = methods(shell("true"));
    let admit = || methods.admit("m", &Bytes::new());
    let mut running: Vec<Run> = (0..MAX_RUNNING).map(|_| admit().unwrap()).collect();
    assert_eq!(admit().unwrap_err().status, 429);
    running.pop().unwrap().finish().await;
    admit().unwrap();
}

#[tokio::test]
async fn a_run_that_is_given_up_kills_the_program_and_what_it_started() {
    let (_folder, path) = pipe();
    let script = format!("exec 3> {}; echo up >&3; sleep 1000 & sleep 1000", path.display());
    let run = methods(shell(&script)).admit("m", &Bytes::new()).unwrap();
    let task = tokio::spawn(run.finish());
    let mut lines = spawn_blocking(|| BufReader::new(File::open(path).unwrap()).lines()).await.unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(spawn_blocking(move || lines.next().is_none()).await.unwrap(), "the last that had the pipe is gone");
}

/// A named pipe. Its reader sees the end when the last program that has it is gone.
fn pipe() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    (folder, path)
}
