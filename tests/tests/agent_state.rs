//! What an agent finds at its start, or on its disk later: torn, foreign and renewed files, and another agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use firsthop_certs::{DeviceCertificate, Validity};
use firsthop_tests::scripted::{Script, Scripted, What};
use firsthop_tests::site::DEVICE;
use firsthop_tests::*;
use time::OffsetDateTime;

/// The generations of the saved assignment.
fn saved(config: &AgentConfig) -> Vec<PathBuf> {
    let entries = fs::read_dir(config.state("")).expect("the state's folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_assignment = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        name.starts_with("assignment")
    };
    let found: Vec<_> = paths.filter(is_assignment).collect();
    assert!(!found.is_empty(), "nothing was saved");
    found
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn a_saved_assignment_that_is_torn_or_foreign_is_set_aside_with_a_warning_and_the_device_registers() {
    let damages: [(&str, Damage); 4] = [
        ("empty", |_| Vec::new()),
        ("torn", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("turned over", |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("foreign", |_| b"{\"hub\":\"hub-z.example:8883\"}\n".to_vec()),
    ];
    for (what, damage) in damages {
        let site = Site::new();
        let config = site.agent();
        let agent = config.start();
        let first = agent.until_connected();
        agent.kill();
        for path in saved(&config) {
            let bytes = damage(fs::read(&path).unwrap());
            fs::write(&path, bytes).unwrap();
        }
        let agent = config.start();
        site.until_registered(2);
        assert_eq!(agent.until_connected()["hub"]["address"], first["hub"]["address"], "{what}");
        agent.log.wait_for("that warns", |line| line["level"] == "WARN" && line.to_string().contains("assignment"));
        // What was saved now is good again.
        agent.killed_and_started().until_connected();
        assert_eq!(site.registrations(), 2, "{what}");
    }
}

#[test]
fn the_state_of_another_device_is_no_assignment_of_this_one() {
    let site = Site::new();
    let config = site.agent();
    let agent = config.start();
    agent.until_connected();
    agent.kill();
    config.renew(&site.pki.device("dev-2"));
    let agent = config.start();
    let status =
        agent.until("its own device", |status| status["onHub"] == true && status["hub"]["deviceId"] == "dev-2");
    assert_eq!(status["registrationId"], "dev-2", "{status}");
}

#[test]
fn a_renewed_certificate_is_used_from_the_next_connection_on_without_a_restart() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let ends_soon = Validity::days(OffsetDateTime::now_utc(), 3);
    let old = DeviceCertificate::new(DEVICE).validity(ends_soon).signed_by(&pki.factory).unwrap();
    let agent = AgentConfig::new(&pki, &old, service.port()).start();
    let status = agent.until_connected();
    let warning = status["certificate"]["warning"].as_str().unwrap_or_else(|| panic!("no warning: {status}"));
    assert!(warning.contains("day") || warning.contains("ends"), "{warning}");
    agent
        .log
        .wait_for("about the certificate", |line| line["level"] == "WARN" && line.to_string().contains("certificate"));

    let new = pki.device(DEVICE);
    agent.config.renew(&new);
    hub.close();
    hub.until(
        "the new certificate",
        |note| matches!(&note.what, What::Secured(leaf) if *leaf == new.chain[0].to_vec()),
    );
    agent.until("without a warning", |status| status["onHub"] == true && status["certificate"]["warning"].is_null());
    assert_eq!(service.count_published(REGISTER), 1, "the device is the same");
}

#[test]
fn a_renewed_certificate_that_cannot_be_used_is_told_and_the_old_one_goes_on() {
    let pki = Pki::new();
    let hub = Scripted::start(&pki, Script::hub());
    let service = Scripted::start(&pki, Script::service(&hub.host()));
    let identity = pki.device(DEVICE);
    let agent = AgentConfig::new(&pki, &identity, service.port()).start();
    agent.until_connected();
    fs::write(agent.config.dir().join("device.pem"), "-----BEGIN CERTIFICATE-----\nhalf of i").unwrap();
    hub.close();
    hub.arrival(1);
    let status = agent.until("connected and worried", |status| {
        status["onHub"] == true && !status["certificate"]["warning"].is_null()
    });
    assert!(status["certificate"]["warning"].to_string().contains("device.pem"), "{status}");
    hub.nth(
        "the old certificate",
        1,
        |note| matches!(&note.what, What::Secured(leaf) if *leaf == identity.chain[0].to_vec()),
    );
}

#[test]
fn a_second_agent_on_the_same_folder_does_not_start() {
    let site = Site::new();
    let agent = site.agent().start();
    agent.until_connected();
    let other = agent.config.clone().set("local", "socket", "\"other.sock\"");
    let ended = run(&mut other.command());
    assert_ne!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("another process"), "{ended:?}");
    // The first one does not notice.
    agent.report(&serde_json::json!({"n": 1}));
    agent.until_all_sent();
}

#[test]
fn a_key_that_others_may_read_is_refused_with_what_to_do() {
    let pki = Pki::new();
    let config = AgentConfig::new(&pki, &pki.device(DEVICE), remote::free_port());
    let key = config.dir().join("device.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = run(&mut config.command());
    assert_ne!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("chmod 600"), "{ended:?}");
}
