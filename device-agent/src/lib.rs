//! Client side of Firsthop: a device that looks after itself, and the single steps for who wants to do that alone.
//!
//! **A device** registers when it has to, lives on its hub, and gets back there whatever happens (rules D2 to D4). What it knows outlasts
//! restarts and power cuts. It is one task and one thread.
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//!
//! use firsthop_agent::device::{Device, DeviceConfig, RegisterTemplate, Update};
//! use firsthop_agent::{Endpoint, MqttVersion, TrustedRoots, disk, flow, keys};
//! use firsthop_protocol::Timestamp;
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let roots = TrustedRoots::from_pem_file("root.pem")?;
//! let mut device = Device::start(DeviceConfig {
//!     service: Endpoint::new("provisioning.example", 8883, roots.clone())?,
//!     hub_roots: roots,
//!     credentials: keys::source(Path::new("."), Path::new("device.pem"), "device.key")?,
//!     state: "/var/lib/pump".into(),
//!     policy: flow::Policy::default(),
//!     register: RegisterTemplate::default(),
//!     mqtt: MqttVersion::V5,
//!     timeout: Duration::from_secs(10),
//!     keep_alive: Duration::from_secs(60),
//!     outbox: disk::OutboxLimits::default(),
//!     warn_before: Duration::from_secs(30 * 24 * 3600),
//! })?;
//!
//! // Both are done when they are on the disk, and reach the hub as soon as there is one.
//! let handle = device.handle().clone();
//! handle.report(json!({ "firmware": "1.4" }).as_object().cloned().unwrap_or_default()).await?;
//! handle.publish(disk::Telemetry { properties: String::new(), body: b"21.5".to_vec(), at: Timestamp::now() }).await?;
//!
//! while let Some(update) = device.updates.recv().await {
//!     match update {
//!         Update::Desired(desired) => println!("desired, version {}: {:?}", desired.version, desired.properties),
//!         Update::Method(call) => call.answer(404, b"{}".to_vec()),
//!         Update::Message(message) => message.accept(),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **A single step**: one [`Connection`] is one attempt, and nothing reconnects behind the caller's back. It runs inside the caller's own
//! calls, without a task or a thread of its own, so thousands fit into one process and a dropped connection leaves nothing behind.
//!
//! ```no_run
//! use firsthop_agent::{Client, Credentials, Endpoint, Options, TrustedRoots};
//! use firsthop_protocol::{Answer, RegisterRequest};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Reading files blocks: once, at start.
//! let credentials = Credentials::from_pem_files("device.pem", "device.key")?;
//! let endpoint = Endpoint::new("provisioning.example", 8883, TrustedRoots::from_pem_file("root.pem")?)?;
//!
//! let client = Client::new(&endpoint, &credentials, Options::default())?;
//! let mut connection = client.connect().await?;
//! match connection.register(&RegisterRequest::default()).await? {
//!     Answer::Accepted(registration) => println!("assigned to {:?}", registration.assigned_hub),
//!     Answer::Pending(operation) => println!("still under way: {}", operation.step),
//!     Answer::Rejected(refusal) => println!("refused: {} {}", refusal.status, refusal.message),
//! }
//! connection.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Between the two lies [`flow::Machine`], which decides what a device does next and does nothing itself.
#![deny(missing_docs)]

mod client;
mod clock;
mod connection;
mod credentials;
pub mod device;
pub mod disk;
mod endpoint;
mod error;
pub mod flow;
mod hub;
pub mod keys;
pub mod latency;
mod packet;
mod pem;
pub mod reason;
mod secret;
mod setup_error;
mod stream;
mod tls;
pub mod twin;
mod validity;

pub use client::{Client, Options, connect};
pub use connection::{Connection, Reply, Request};
pub use credentials::Credentials;
pub use endpoint::{Endpoint, TrustedRoots};
pub use error::{Error, Waiting};
pub use packet::MqttVersion;
pub use setup_error::SetupError;
pub use validity::Validity;
