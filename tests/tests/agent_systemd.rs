//! What the agent tells systemd: ready, how it is, that it lives, that it stops.

use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use firsthop_tests::*;

/// The supervisor's end of `NOTIFY_SOCKET`.
struct Supervisor {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Supervisor {
    /// One that the agent will find.
    fn of(config: AgentConfig) -> (Self, AgentConfig) {
        let path = config.dir().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let config = config.variable("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
        (Self { socket, heard: Vec::new() }, config)
    }

    /// Waits for a line that begins so, past whatever comes before it.
    fn wait_for(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut datagram = [0; 4096];
            let count = self.socket.recv(&mut datagram).unwrap_or_else(|error| {
                panic!("the supervisor never heard {wanted} ({error}), but: {:?}", self.heard);
            });
            let text = String::from_utf8_lossy(&datagram[..count]).into_owned();
            let found = text.lines().find(|line| line.starts_with(wanted)).map(str::to_owned);
            self.heard.push(text);
            if let Some(line) = found {
                return line;
            }
            assert!(Instant::now() < deadline, "never {wanted}, but {:?}", self.heard);
        }
    }
}

#[test]
fn systemd_is_told_when_the_agent_is_ready_how_it_stands_and_that_it_stops() {
    let site = Site::new();
    let (mut supervisor, config) = Supervisor::of(site.agent());
    let agent = config.start();
    supervisor.wait_for("READY=1");
    agent.until_connected();
    supervisor.wait_for(&format!("STATUS=on hub {} as dev-1", site.address(&site.hub())));
    agent.signal(libc::SIGTERM);
    supervisor.wait_for("STOPPING=1");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn the_agent_is_ready_although_nobody_can_be_reached() {
    let pki = Pki::new();
    let config = AgentConfig::new(&pki, &pki.device("dev-1"), remote::free_port());
    let (mut supervisor, config) = Supervisor::of(config);
    let _agent = config.start();
    supervisor.wait_for("READY=1");
    let status = supervisor.wait_for("STATUS=");
    assert!(status.contains("no hub yet"), "{status}");
}

#[test]
fn the_watchdog_is_fed_as_long_as_the_agent_works() {
    let site = Site::new();
    let (mut supervisor, config) = Supervisor::of(site.agent().variable("WATCHDOG_USEC", "1000000"));
    let _agent = config.start();
    supervisor.wait_for("READY=1");
    let first = Instant::now();
    for _ in 0..3 {
        supervisor.wait_for("WATCHDOG=1");
    }
    assert!(first.elapsed() < PATIENCE / 2, "a bite every second would have killed it");
}

#[test]
fn while_the_configuration_is_read_again_systemd_is_told() {
    let site = Site::new();
    let (mut supervisor, config) = Supervisor::of(site.agent());
    let agent = config.start();
    supervisor.wait_for("READY=1");
    agent.until_connected();
    agent.signal(libc::SIGHUP);
    supervisor.wait_for("RELOADING=1");
    supervisor.wait_for("READY=1");
}
