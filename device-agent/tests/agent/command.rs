//! The command as a process: what it prints and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use firsthop_protocol::{Answer, ErrorCode, HubName, RegisterRequest, Rejected, StatusRequest, codec};
use tempfile::TempDir;

use crate::broker::{Broker, accepted, pending, rejected};
use crate::pki::{AUTHORITY, DEVICE};

/// A folder with the files that the command needs.
fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("root.pem", &AUTHORITY.certificate.pem(), 0o644);
    write("dev.pem", &DEVICE.chain_pem, 0o644);
    write("dev.key", &DEVICE.key_pem, 0o600);
    folder
}

/// Runs the command in the folder while the broker's script runs here.
async fn run(folder: &Path, port: u16, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firsthop-agent"));
    command.current_dir(folder).args(arguments).env("FIRSTHOP_AGENT_PORT", port.to_string());
    for (name, value) in [("HOST", "127.0.0.1"), ("CA", "root.pem"), ("CERT", "dev.pem"), ("KEY", "dev.key")] {
        command.env(format!("FIRSTHOP_AGENT_{name}"), value);
    }
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// Runs the command against a broker that refuses with this code.
async fn refused(arguments: &[&str], code: ErrorCode) -> Output {
    let broker = Broker::start(move |mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        session.answer(&asked, &rejected(Some(&asked.rid), code)).await;
        session.closed().await;
    })
    .await;
    let output = run(files().path(), broker.port, arguments).await;
    broker.finished().await;
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn register_sends_its_options_and_prints_the_assignment() {
    for (mqtt, format) in [("3.1.1", "cbor"), ("5", "json")] {
        let broker = Broker::start(|mut session| async move {
            session.welcome().await;
            session.subscribed().await;
            let asked = session.asked().await;
            let request: RegisterRequest = codec::decode(&asked.body, asked.format).unwrap();
            let expected = r#"{"rid":"r-1","metadata":{"site":"lisbon"},"endpoints":{"ssh":"ssh://10.0.0.7","web":"https://10.0.0.7"},
                "model":"dtmi:x;1","payload":[1],"wait":3}"#;
            assert_eq!(request, serde_json::from_str(expected).unwrap());
            session.answer(&asked, &accepted(&asked.rid)).await;
            session.closed().await;
        })
        .await;
        let folder = files();
        std::fs::write(folder.path().join("metadata.json"), r#"{"site":"lisbon"}"#).unwrap();
        let mut arguments =
            vec!["register", "--mqtt", mqtt, "--format", format, "--rid", "r-1", "--metadata", "@metadata.json"];
        arguments.extend([
            "--endpoint",
            "ssh=ssh://10.0.0.7",
            "--endpoint",
            "web=https://10.0.0.7",
            "--model",
            "dtmi:x;1",
        ]);
        arguments.extend(["--payload", "[1]", "--wait", "3"]);
        let output = run(folder.path(), broker.port, &arguments).await;
        assert_eq!(text(&output.stderr), "");
        let printed = text(&output.stdout);
        assert!(printed.starts_with("state         assigned\nhub           lisbon.example:8884\n"), "{printed}");
        assert_eq!(output.status.code(), Some(0));
        broker.finished().await;
    }
}

#[tokio::test]
async fn register_measures_the_hubs_that_it_is_offered_and_reports_those_that_answer() {
    let hub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hub.local_addr().unwrap().to_string();
    let broker = Broker::start(move |mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        let request: StatusRequest = codec::decode(&asked.body, asked.format).unwrap();
        assert_eq!(request.candidates, Some(true));
        let Answer::Rejected(unknown) = rejected(Some(&asked.rid), ErrorCode::NotRegistered) else {
            panic!("a refusal is one")
        };
        let hub = |name: &str| HubName::parse(name).unwrap();
        let candidates = Some([(hub("near"), address), (hub("away"), "127.0.0.1:1".to_owned())].into());
        session.answer(&asked, &Answer::Rejected(Rejected { candidates, ..unknown })).await;
        session.subscribed().await;
        let asked = session.asked().await;
        let request: RegisterRequest = codec::decode(&asked.body, asked.format).unwrap();
        let latencies = request.latencies.unwrap();
        assert_eq!(latencies.keys().map(HubName::as_str).collect::<Vec<_>>(), ["near"]);
        session.answer(&asked, &accepted(&asked.rid)).await;
        session.closed().await;
    })
    .await;
    let output = run(files().path(), broker.port, &["register", "--measure"]).await;
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("", Some(0)));
    broker.finished().await;
}

#[tokio::test]
async fn json_output_is_the_body_as_it_came() {
    // A field of a later version and odd spacing survive.
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        let body = text(&codec::encode(&accepted(&asked.rid), asked.format)).replacen('{', r#"{ "later":1,"#, 1);
        session.publish("$provisioning/status/accepted", body.as_bytes(), None).await;
        session.closed().await;
    })
    .await;
    let output = run(files().path(), broker.port, &["lookup", "--output", "json"]).await;
    assert!(text(&output.stdout).starts_with(r#"{ "later":1,"status":200,"#), "{output:?}");
    assert!(text(&output.stdout).ends_with("}\n"));
    assert_eq!(output.status.code(), Some(0));
    broker.finished().await;
}

#[tokio::test]
async fn a_cbor_answer_is_printed_as_json() {
    let output = refused(&["register", "--output", "json", "--format", "cbor"], ErrorCode::NotEnrolled).await;
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["status"], &printed["errorCode"]), (&401.into(), &401_002.into()));
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test]
async fn a_refusal_is_explained_on_standard_error() {
    let output = refused(&["register"], ErrorCode::NotEnrolled).await;
    let expected = "error: no enrollment accepts these credentials
status      401
errorCode   401002 NotEnrolled
action      stop
trackingId  07070707-0707-0707-0707-070707070707
";
    assert_eq!(text(&output.stderr), expected);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("", Some(4)));
}

#[tokio::test]
async fn the_exit_code_tells_the_class_of_a_refusal() {
    for (command, code, exit) in [
        ("lookup", ErrorCode::NotRegistered, 3),
        ("register", ErrorCode::MetadataNotAllowed, 4),
        ("register", ErrorCode::RegistrationUnderWay, 5),
        ("register", ErrorCode::Draining, 6),
        ("register", ErrorCode::Throttled, 7),
    ] {
        let output = refused(&[command], code).await;
        assert_eq!(output.status.code(), Some(exit), "{code:?}");
        assert_eq!(text(&output.stderr).contains("Retry-After  30 s"), exit == 7, "{code:?}");
    }
}

#[tokio::test]
async fn a_registration_still_pending_at_the_deadline_asks_for_patience() {
    let broker = Broker::start(|mut session| async move {
        session.welcome().await;
        session.subscribed().await;
        let asked = session.asked().await;
        session.answer(&asked, &pending(&asked.rid)).await;
        session.closed().await;
    })
    .await;
    let output = run(files().path(), broker.port, &["register", "--timeout", "2s", "--wait", "0"]).await;
    assert!(text(&output.stdout).starts_with("state        assigning\nstep         copy\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(6));
    broker.finished().await;
}

#[tokio::test]
async fn an_unreachable_service_and_a_bad_file_have_codes_of_their_own() {
    let folder = files();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let output = run(folder.path(), port, &["lookup"]).await;
    assert!(text(&output.stderr).starts_with(&format!("error: cannot connect to 127.0.0.1:{port}: ")), "{output:?}");
    assert_eq!(output.status.code(), Some(6));

    let output = run(folder.path(), port, &["lookup", "--cert", "missing.pem"]).await;
    assert!(text(&output.stderr).starts_with("error: cannot read missing.pem: "), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_a_failure_and_a_refused_connection_a_refusal() {
    let broker = Broker::start(|_| async {}).await;
    let output = run(files().path(), broker.port, &["lookup", "--server-name", "other.example"]).await;
    assert!(text(&output.stderr).contains("(trusted roots: root.pem)"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    let broker = Broker::start(|mut session| async move {
        session.connect().await;
        session.send(b"\x20\x03\x00\x87\x00").await;
    })
    .await;
    let output = run(files().path(), broker.port, &["lookup"]).await;
    assert!(text(&output.stderr).contains("not authorized (0x87)"), "{output:?}");
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_help_lists_the_codes() {
    let folder = files();
    for arguments in [
        &["register", "--metadata", "[]"][..],
        &["register", "--payload", "@missing.json"],
        &["register", "--endpoint", "ssh"],
        &["register", "--wait", "31"],
        &["register", "--wait", "10"],
        &["register", "--mqtt", "4"],
        &["lookup", "--timeout", "soon"],
        &["lookup", "--log", "firsthop=loud"],
        &["forget"],
    ] {
        let output = run(folder.path(), 1, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{arguments:?}: {output:?}");
    }
    let output = run(folder.path(), 1, &["register", "--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("7  throttled (429)"));
    assert!(text(&output.stdout).contains("FIRSTHOP_AGENT_TIMEOUT"));
}
