//! The mosquitto clients, as people use them.

use std::path::Path;
use std::process::Command;

use firsthop_certs::Identity;

use crate::{Ended, PATIENCE, Running, Service, Version};

/// A mosquitto client with a device's certificate.
pub struct Mosquitto(Command);

impl Mosquitto {
    fn new(program: &str, service: &Service, name: &str, identity: &Identity, version: Version) -> Self {
        let (certificate, key) = service.config.device_files(name, identity);
        // Line by line, so that a test can wait for what the client says.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", program, "-h", "localhost", "-p", &service.port().to_string()]);
        command.args(["-V", if version == Version::V5 { "mqttv5" } else { "mqttv311" }]);
        command.arg("--cafile").arg(service.config.root_file()).arg("--cert").arg(certificate).arg("--key").arg(key);
        command.env("XDG_CONFIG_HOME", service.config.dir());
        Self(command)
    }

    /// Request and response.
    pub fn rr(service: &Service, name: &str, identity: &Identity, version: Version) -> Self {
        Self::new("mosquitto_rr", service, name, identity, version).arguments(&["-W", &PATIENCE.as_secs().to_string()])
    }

    pub fn publish(service: &Service, name: &str, identity: &Identity, version: Version) -> Self {
        Self::new("mosquitto_pub", service, name, identity, version)
    }

    /// Prints what the client does, too.
    pub fn subscribe(service: &Service, name: &str, identity: &Identity, version: Version) -> Self {
        Self::new("mosquitto_sub", service, name, identity, version).arguments(&[
            "-d",
            "-W",
            &PATIENCE.as_secs().to_string(),
        ])
    }

    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    pub fn start(mut self) -> Running {
        Running::start(&mut self.0)
    }

    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// A mosquitto client that takes its options from a folder.
pub fn with_options_of(folder: &Path, program: &str, arguments: &[&str]) -> Ended {
    crate::run(Command::new(program).env("XDG_CONFIG_HOME", folder).args(arguments))
}
