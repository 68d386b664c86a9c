//! What commands that ask the service can be given.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use firsthop_agent::MqttVersion;
use firsthop_protocol::body::MAX_WAIT;
use firsthop_protocol::document::{Any, Document};
use firsthop_protocol::{Format, RegisterRequest, RequestId, StatusRequest};

use super::input;

#[derive(Debug, ClapArgs)]
pub struct ConnectionArgs {
    /// Host name or address of the provisioning endpoint.
    #[arg(long, env = "FIRSTHOP_AGENT_HOST")]
    pub host: String,
    /// Its port.
    #[arg(long, env = "FIRSTHOP_AGENT_PORT", default_value_t = 8883)]
    pub port: u16,
    /// The name in the server's certificate, where it is not the host.
    #[arg(long, env = "FIRSTHOP_AGENT_SERVER_NAME", value_name = "NAME")]
    pub server_name: Option<String>,
    /// PEM file with the root certificates that may vouch for the server.
    #[arg(long, env = "FIRSTHOP_AGENT_CA", value_name = "FILE")]
    pub ca: PathBuf,
    /// PEM file with the device's certificate chain, leaf first.
    #[arg(long, env = "FIRSTHOP_AGENT_CERT", value_name = "FILE")]
    pub cert: PathBuf,
    /// PEM file with the private key of the leaf, which only its owner may have access to; or the pkcs11: URI of a key in a token.
    #[arg(long, env = "FIRSTHOP_AGENT_KEY", value_name = "FILE|URI")]
    pub key: String,
    /// MQTT client id; otherwise the common name of the certificate.
    #[arg(long, env = "FIRSTHOP_AGENT_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// Name of the request, echoed in its answer; otherwise random.
    #[arg(long, env = "FIRSTHOP_AGENT_RID", value_name = "RID", value_parser = RequestId::parse)]
    pub rid: Option<RequestId>,
    /// How long connecting may take, and then the request.
    #[arg(long, env = "FIRSTHOP_AGENT_TIMEOUT", default_value = "10s", value_name = "TIME")]
    pub timeout: humantime::Duration,
    /// Edition of MQTT.
    #[arg(long, env = "FIRSTHOP_AGENT_MQTT", default_value = "5")]
    pub mqtt: Mqtt,
    /// Format of the request and its answer.
    #[arg(long, env = "FIRSTHOP_AGENT_FORMAT", default_value = "json")]
    pub format: BodyFormat,
    /// How the answer is printed: for people, or its body as it is (a CBOR one as JSON).
    #[arg(long, env = "FIRSTHOP_AGENT_OUTPUT", default_value = "text")]
    pub output: Output,
}

/// Register the device, or register it again; prints where it is assigned.
///
/// Example: firsthop-agent register --host provisioning.example --ca root.pem --cert device.pem --key device.key
#[derive(Debug, ClapArgs)]
pub struct RegisterArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// What the device says of itself: a JSON object, or a file with one.
    #[arg(long, env = "FIRSTHOP_AGENT_METADATA", value_name = "JSON|@FILE", value_parser = input::document)]
    metadata: Option<Document>,
    /// How to communicate with the device; may be given several times (in the variable: separated by spaces).
    #[arg(long = "endpoint", env = "FIRSTHOP_AGENT_ENDPOINT", value_name = "NAME=URI", value_parser = input::endpoint, value_delimiter = ' ')]
    endpoints: Vec<(String, String)>,
    /// The device model.
    #[arg(long, env = "FIRSTHOP_AGENT_MODEL")]
    model: Option<String>,
    /// Handed to the allocation webhook: a JSON value, or a file with one.
    #[arg(long, env = "FIRSTHOP_AGENT_PAYLOAD", value_name = "JSON|@FILE", value_parser = input::any)]
    payload: Option<Any>,
    /// Measure the hubs that the device may be assigned to, and say how near each is.
    #[arg(long, env = "FIRSTHOP_AGENT_MEASURE")]
    pub measure: bool,
    /// Seconds the service may take before it says that the registration is pending.
    #[arg(long, env = "FIRSTHOP_AGENT_WAIT", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_WAIT)))]
    wait: Option<u32>,
}

/// Look the device's registration up at the service; changes nothing.
///
/// Example: firsthop-agent lookup --host provisioning.example --ca root.pem --cert device.pem --key device.key
#[derive(Debug, ClapArgs)]
pub struct LookupArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Mqtt {
    #[value(name = "3.1.1")]
    V311,
    #[value(name = "5")]
    V5,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum BodyFormat {
    Json,
    Cbor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

impl RegisterArgs {
    /// What single options cannot say of each other.
    pub fn check(&self) -> Result<(), String> {
        let timeout = Duration::from(self.connection.timeout);
        match self.wait {
            Some(wait) if Duration::from_secs(wait.into()) >= timeout => {
                Err(format!("--wait {wait} needs a longer --timeout than {}", humantime::format_duration(timeout)))
            }
            _ => Ok(()),
        }
    }

    pub fn request(&self) -> RegisterRequest {
        RegisterRequest {
            rid: self.connection.rid.clone(),
            metadata: self.metadata.clone(),
            endpoints: (!self.endpoints.is_empty()).then(|| self.endpoints.iter().cloned().collect()),
            model: self.model.clone(),
            payload: self.payload.clone(),
            wait: self.wait,
            ..RegisterRequest::default()
        }
    }
}

impl LookupArgs {
    pub fn request(&self) -> StatusRequest {
        StatusRequest { rid: self.connection.rid.clone(), ..StatusRequest::default() }
    }
}

impl From<Mqtt> for MqttVersion {
    fn from(mqtt: Mqtt) -> Self {
        match mqtt {
            Mqtt::V311 => Self::V311,
            Mqtt::V5 => Self::V5,
        }
    }
}

impl From<BodyFormat> for Format {
    fn from(format: BodyFormat) -> Self {
        match format {
            BodyFormat::Json => Self::Json,
            BodyFormat::Cbor => Self::Cbor,
        }
    }
}
