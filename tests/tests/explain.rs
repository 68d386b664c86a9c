//! `firsthop cert explain` and a device's registration come from the same judge.

use std::process::{Command, Stdio};

use firsthop_certs::{Defect, Identity};
use firsthop_tests::*;
use serde_json::Value;

fn explain(config: &ServiceConfig, identity: &Identity, output: &str) -> Ended {
    let (certificate, _) = config.device_files("device", identity);
    run(Command::new(binary("firsthop"))
        .args(["cert", "explain", "--output", output, "-c"])
        .arg(config.write())
        .arg(certificate))
}

#[test]
fn a_good_certificate_is_explained_with_the_enrollment_that_decides() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let ended = explain(&config, &pki.device("dev-1"), "text");
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for word in ["dev-1", "Test factory", "group:factory"] {
        assert!(ended.text().contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let mut command = Command::new(binary("firsthop"));
    let mut check = command
        .args(["check", "-c"])
        .arg(config.write())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(check.stdout.take());
    let ended = check.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn the_offline_judge_says_what_the_service_says() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki).group("root", &pki.root, "");
    let service = config.start();
    let mut devices: Vec<_> =
        Defect::ALL.into_iter().map(|defect| pki.factory.broken_device("dev-1", defect).unwrap()).collect();
    devices.push(pki.device("dev-1"));
    devices.push(pki.device("dev-1").without_intermediates());
    devices.push(pki.factory.intermediate("Deeper").unwrap().device("dev-1").unwrap().without_intermediates());
    for device in devices {
        let answer = Dial::new(&service, &pki, &device).connect().register("{}");
        let ended = explain(&config, &device, "json");
        let explained: Value = ended.json();
        assert_eq!(ended.code() == Some(0), answer["status"] == 200, "{answer} {explained}");
        if let Some(message) = answer["message"].as_str() {
            assert_eq!(ended.code(), Some(4));
            assert!(
                explained.to_string().contains(&serde_json::to_string(message).unwrap()),
                "{message:?} is not in {explained}"
            );
        }
    }
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let file = config.write();
    let ended = run(Command::new(binary("firsthop")).args(["cert", "explain", "-c"]).arg(&file).arg(&file));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("firsthop.toml"), "{ended:?}");
}
