//! Client side of Firsthop's device protocol: connect with a client certificate, register, look a registration up.
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
//! One [`Connection`] is one attempt: nothing reconnects behind the caller's back. It runs inside the caller's own calls, without a task
//! or a thread of its own, so thousands fit into one process and a dropped connection leaves nothing behind.
#![deny(missing_docs)]

mod client;
mod connection;
mod credentials;
mod endpoint;
mod error;
pub mod latency;
mod packet;
mod pem;
pub mod reason;
mod stream;
mod tls;

pub use client::{Client, Options, connect};
pub use connection::{Connection, Reply, Request};
pub use credentials::Credentials;
pub use endpoint::{Endpoint, TrustedRoots};
pub use error::{Error, SetupError, Waiting};
pub use packet::MqttVersion;
