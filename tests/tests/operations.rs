//! Starting, stopping, checking, and disks that fail.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use firsthop_tests::packet::{self, Packet};
use firsthop_tests::*;
use redb::TableDefinition;
use serde_json::Value;

fn firsthop(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("firsthop"));
    command.args(arguments);
    command
}

fn serve(config: &ServiceConfig) -> Ended {
    run(firsthop(&["serve", "-c"]).arg(config.write()))
}

#[track_caller]
fn assert_fails(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code(), Some(code), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
    }
}

#[test]
fn a_missing_configuration_file_is_named() {
    let ended = run(&mut firsthop(&["serve", "-c", "/nowhere/firsthop.toml"]));
    assert_fails(&ended, 78, &["/nowhere/firsthop.toml"]);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["serve", "--confg", "x"][..], &["dance"], &[]] {
        assert_eq!(run(&mut firsthop(arguments)).code(), Some(2), "{arguments:?}");
    }
    assert_eq!(run(&mut firsthop(&["--help"])).code(), Some(0));
    assert!(run(&mut firsthop(&["--version"])).text().contains("firsthop 0."));
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_hint() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki).limit("sesions", 7);
    let file = config.write();
    let line =
        std::fs::read_to_string(&file).unwrap().lines().position(|line| line.starts_with("sesions")).unwrap() + 1;
    let place = format!("firsthop.toml:{line}");
    for verb in ["serve", "check"] {
        assert_fails(&run(firsthop(&[verb, "-c"]).arg(&file)), 78, &[&place, "sesions", "sessions"]);
    }
}

#[test]
fn mistakes_in_entries_are_told_with_their_place() {
    let pki = Pki::new();
    let base = || ServiceConfig::without_entries(&pki).hub("one", "");
    let device = pki.device("dev-1");
    for (config, words) in [
        (base().group("g", &pki.factory, "hubs = [\"two\"]"), &["firsthop.toml:", "two"][..]),
        (base().hub("one", ""), &["firsthop.toml:", "one", "already"]),
        (base().hub("heavy", "weight = 1001"), &["firsthop.toml:", "1001"]),
        (base().with("[[groups]]\nid = \"g\"\nprimary = \"nowhere.pem\""), &["firsthop.toml:", "nowhere.pem"]),
        (base().group("a", &pki.factory, "").group("b", &pki.factory, ""), &["firsthop.toml:", "group:a", "group:b"]),
        (base().group("g", &pki.factory, "model = \"pump\""), &["firsthop.toml:", "pump"]),
        (base().individual("dev/1", &device, ""), &["firsthop.toml:", "registration_id"]),
        (base().hub("two", "").group("g", &pki.factory, "allocation = \"static\""), &["firsthop.toml:", "static"]),
        (base().limit("time_to_connect", "\"soon\""), &["firsthop.toml:", "time_to_connect"]),
    ] {
        let ended = run(firsthop(&["check", "-c"]).arg(config.write()));
        assert_fails(&ended, 78, words);
    }
}

#[test]
fn check_tells_what_would_be_served() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let ended = run(firsthop(&["check", "-c"]).arg(config.write()));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for word in ["fine", "127.0.0.1:0", "registry.redb"] {
        assert!(ended.text().contains(word), "{word}: {ended:?}");
    }
    assert!(!config.store().exists(), "a check makes no store");
}

#[test]
fn check_finds_a_key_that_others_may_read_or_that_is_another_ones() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let key = config.dir().join("server.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_fails(&run(firsthop(&["check", "-c"]).arg(config.write())), 78, &["server.key", "chmod 600"]);
    pki.device("other").replace(config.dir(), "other").unwrap();
    std::fs::rename(config.dir().join("other.key"), &key).unwrap();
    assert_fails(&run(firsthop(&["check", "-c"]).arg(config.write())), 78, &["server.key", "server.pem"]);
}

#[test]
fn the_environment_overrides_the_file() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let ended =
        run(firsthop(&["check", "-c"]).arg(config.write()).env("FIRSTHOP__LISTENER__ADDRESS", "127.0.0.1:4711"));
    assert!(ended.text().contains("127.0.0.1:4711"), "{ended:?}");
    let ended = run(firsthop(&["check", "-c"]).arg(config.write()).env("FIRSTHOP__LISTENER__ADRESS", "127.0.0.1:4711"));
    assert_fails(&ended, 78, &["FIRSTHOP__LISTENER__ADRESS"]);
}

#[test]
fn a_port_in_use_is_named() {
    let pki = Pki::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = serve(&ServiceConfig::new(&pki).set("listener", "address", format!("{address:?}")));
    assert_fails(&ended, 1, &[&address, "listener.address"]);
}

#[test]
fn a_store_that_is_no_store_is_named_and_left_alone() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    std::fs::create_dir(config.store()).unwrap();
    assert_fails(&serve(&config), 1, &["registry.redb", "directory"]);
    std::fs::remove_dir(config.store()).unwrap();
    for garbage in
        [b"not a store at all, but long enough to be one".as_slice(), b"", b"redb\x1a\x0a\xa9\x0d\x0a and then nothing"]
    {
        std::fs::write(config.store(), garbage).unwrap();
        assert_fails(&serve(&config), 1, &["registry.redb"]);
        assert_eq!(std::fs::read(config.store()).unwrap(), garbage);
    }
}

#[test]
fn a_store_in_a_place_that_cannot_be_written_is_named() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki).set("store", "path", "\"/proc/firsthop/registry.redb\"");
    assert_fails(&serve(&config), 1, &["/proc/firsthop"]);
    if !std::path::Path::new("/sys/kernel").is_dir() {
        return;
    }
    let config = ServiceConfig::new(&pki).set("store", "path", "\"/sys/kernel/registry.redb\"");
    assert_fails(&serve(&config), 1, &["/sys/kernel/registry.redb"]);
}

#[test]
fn a_read_only_store_is_named() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    assert_eq!(config.start().terminate().code(), Some(0));
    std::fs::set_permissions(config.store(), std::fs::Permissions::from_mode(0o400)).unwrap();
    let mut command = firsthop(&["serve", "-c"]);
    command.arg(config.write());
    // Root may write anywhere: the service runs as somebody else, to whom the folder is given.
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        let nobody = 65534;
        for path in [config.dir().to_owned(), config.store(), config.dir().join("server.key")] {
            std::os::unix::fs::chown(path, Some(nobody), Some(nobody)).unwrap();
        }
        command.uid(nobody).gid(nobody);
        if !is_reachable_by(nobody) {
            eprintln!("not run: the binary lies where another user cannot reach it");
            return;
        }
    }
    assert_fails(&run(&mut command), 1, &["registry.redb", "ermission"]);
}

/// Whether another user may run the binary at all.
fn is_reachable_by(user: u32) -> bool {
    let mut command = firsthop(&["--version"]);
    command.uid(user).gid(user).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn a_store_in_use_by_another_process_is_named() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let service = config.start();
    assert_fails(&serve(&config), 1, &["registry.redb", "in use"]);
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-1")).connect().register("{}")["status"], 200);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let database = redb::Database::create(config.store()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, u64>::new("somebody elses")).unwrap().insert("a", 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_fails(&serve(&config), 1, &["registry.redb", "another program"]);
}

#[test]
fn sigterm_and_sigint_end_the_service_with_0() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let service = config.start();
        let log = service.log.clone();
        service.signal(signal);
        assert_eq!(service.wait().code(), Some(0));
        log.wait_for("stopped", |line| line["message"] == "stopped" && line["clean"] == true);
    }
}

#[test]
fn at_sigterm_what_is_under_way_is_answered_and_then_sessions_are_told() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut idle = Dial::new(&service, &pki, &pki.device("idle")).connect();
    let mut old = Dial::new(&service, &pki, &pki.device("old")).version(Version::V311).connect();
    let mut busy = Dial::new(&service, &pki, &pki.device("busy")).connect();
    busy.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let mut burst = Vec::new();
    for id in 1..=10 {
        let request = Message::new(REGISTER, format!(r#"{{"rid":"{id}","metadata":{{"n":{id}}}}}"#));
        burst.extend(packet::publish(Version::V5, &request.id(id)));
    }
    busy.send(&burst);
    assert!(matches!(busy.next_packet(), Packet::PubAck { .. }));
    service.signal(libc::SIGTERM);
    let packets = busy.until_end();
    let acknowledged = 1 + packets.iter().filter(|packet| matches!(packet, Packet::PubAck { .. })).count();
    let answered = packets.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count();
    assert_eq!(answered, acknowledged, "{packets:?}");
    assert!(matches!(packets.last(), Some(Packet::Disconnect { code: 0x8b, .. })), "{packets:?}");
    assert!(matches!(idle.until_end().as_slice(), [Packet::Disconnect { code: 0x8b, .. }]));
    assert_eq!(old.until_end(), []);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn while_the_service_drains_further_registrations_are_told_to_come_back() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki).limit("in_flight", 1);
    // Whether a request is still unread when the signal comes is the scheduler's choice; nearly always some are.
    let told = (0..5).any(|_| {
        let service = config.start();
        let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
        client.subscribe(&[(REGISTER_RESPONSE, 0)]);
        let request = |id: u16| Message::new(REGISTER, format!(r#"{{"metadata":{{"n":{id}}}}}"#)).id(id);
        let burst: Vec<u8> = (1..=200).flat_map(|id| packet::publish(Version::V5, &request(id))).collect();
        client.send(&burst);
        assert_eq!(client.next_packet(), Packet::PubAck { id: 1, code: 0 });
        service.signal(libc::SIGTERM);
        let answers: Vec<_> = client
            .until_end()
            .iter()
            .filter_map(|packet| match packet {
                Packet::Publish(message) => Some(message.json()),
                _ => None,
            })
            .collect();
        assert_eq!(service.wait().code(), Some(0));
        let refused = answers.iter().filter(|answer| answer["status"] != 200).inspect(|answer| {
            assert_eq!((&answer["errorCode"], &answer["action"]), (&503_001.into(), &"retry".into()), "{answer}");
            assert!(answer["retryAfter"].as_u64().unwrap() >= 5, "{answer}");
        });
        refused.count() > 0
    });
    assert!(told, "not one of five services refused anything while it drained");
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).set("shutdown", "grace", "\"1h\"").limit("unread", "\"1h\"").start();
    let _flooded = flooded(&service, &pki);
    service.signal(libc::SIGTERM);
    service.log.wait_for_message("stopping");
    service.signal(libc::SIGTERM);
    assert_eq!(service.wait().code(), Some(0));
}

/// A client that has asked for far more answers than the socket's buffers take, and reads none.
fn flooded(service: &Service, pki: &Pki) -> Client {
    let mut client = Dial::new(service, pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(STATUS_RESPONSE, 0)]);
    let request = packet::publish(Version::V5, &Message::new(STATUS, "{}").qos(0));
    let burst = request.repeat(200);
    client.stream.sock.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while client.stream.write_all(&burst).is_ok() {}
    client
}

#[test]
fn a_client_that_reads_nothing_does_not_keep_the_service_from_ending() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).set("shutdown", "grace", "\"200ms\"").limit("unread", "\"60s\"").start();
    let _flooded = flooded(&service, &pki);
    assert_eq!(service.terminate().code(), Some(0));
}

/// Registers until it succeeds: after a failed write the store pauses for a moment.
fn register_patiently(service: &Service, pki: &Pki, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let dial = Dial::new(service, pki, &pki.device(id));
    loop {
        let answer = dial.connect().register("{}");
        if answer["status"] == 200 {
            return answer;
        }
        assert_eq!(answer["errorCode"], 503_003, "{answer}");
        assert!(Instant::now() < deadline, "still refused: {answer}");
    }
}

/// What must hold once no write succeeds: devices are told to come back, what is stored is served, the process lives.
fn assert_full(service: &Service, pki: &Pki, known: &Dial, stored: &Value) {
    let mut refused = 0;
    for number in 0..400 {
        let answer = Dial::new(service, pki, &pki.device(&format!("late-{number}"))).connect().register("{}");
        if answer["status"] == 200 {
            continue;
        }
        assert_eq!((&answer["errorCode"], &answer["action"]), (&503_003.into(), &"retry".into()), "{answer}");
        assert!(answer["retryAfter"].as_u64().unwrap() >= 5, "{answer}");
        refused += 1;
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5, "the disk never was full");
    let mut device = known.connect();
    assert_eq!(device.status("{}")["assignedHub"], stored["assignedHub"]);
    // Nothing changes, so nothing needs room.
    assert_eq!(device.register("{}")["etag"], stored["etag"]);
}

/// A disk that is full, seen from one process: no file may grow.
#[test]
fn while_the_stores_file_may_not_grow_devices_are_told_to_retry() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let known = Dial::new(&service, &pki, &pki.device("dev-0"));
    let first = known.connect().register("{}");
    limit_file_size(&service, 4096);
    assert_full(&service, &pki, &known, &first);
    limit_file_size(&service, libc::RLIM_INFINITY);
    register_patiently(&service, &pki, "dev-1");
    let config = service.config.clone();
    assert_eq!(service.terminate().code(), Some(0));
    let service = config.start();
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-0")).connect().status("{}")["etag"], first["etag"]);
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-1")).connect().status("{}")["status"], 200);
}

fn limit_file_size(service: &Service, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    let pid = libc::pid_t::try_from(service.pid()).unwrap();
    // SAFETY: both pointers are valid or null for the length of the call.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn with_a_full_disk_devices_are_told_to_retry_and_it_goes_on_when_there_is_room() {
    let pki = Pki::new();
    let Some(config) = ServiceConfig::new(&pki).on_a_small_disk("8m") else {
        eprintln!("not run: this user may not mount");
        return;
    };
    let service = config.start();
    let known = Dial::new(&service, &pki, &pki.device("dev-0"));
    let first = known.connect().register("{}");
    // The disk is the service's own; from here it is reached through the process.
    let filler = service.disk().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    assert_full(&service, &pki, &known, &first);
    std::fs::remove_file(&filler).unwrap();
    register_patiently(&service, &pki, "dev-1");
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-0")).connect().status("{}")["etag"], first["etag"]);
    assert_eq!(service.terminate().code(), Some(0));
}

/// Changes the store's file while nobody uses it.
fn edit_store(config: &ServiceConfig, edit: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(config.store()).unwrap();
    let transaction = database.begin_write().unwrap();
    edit(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    assert_eq!(config.start().terminate().code(), Some(0));
    edit_store(&config, |transaction| {
        transaction
            .open_table(TableDefinition::<&str, u64>::new("meta"))
            .unwrap()
            .insert("format_version", 99)
            .unwrap();
    });
    assert_fails(&serve(&config), 1, &["registry.redb", "99", "newer version"]);
}

#[test]
fn a_damaged_registration_concerns_its_own_device_only() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let service = config.start();
    for id in ["dev-1", "dev-2"] {
        Dial::new(&service, &pki, &pki.device(id)).connect().register("{}");
    }
    service.terminate();
    edit_store(&config, |transaction| {
        let mut rows = transaction.open_table(TableDefinition::<u64, &[u8]>::new("registrations")).unwrap();
        rows.insert(1, b"\xffgarbage".as_slice()).unwrap();
    });
    let service = config.start();
    let answer = Dial::new(&service, &pki, &pki.device("dev-1")).connect().status("{}");
    assert_eq!((&answer["errorCode"], &answer["action"]), (&500_001.into(), &"retry".into()), "{answer}");
    let tracking = answer["trackingId"].as_str().unwrap();
    let line = service.log.wait_for(tracking, |line| line["tracking_id"] == tracking);
    assert_eq!(line["level"], "WARN", "somebody has to look: {line}");
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-2")).connect().status("{}")["status"], 200);
}
