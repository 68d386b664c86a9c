//! Devices that use the agent library.

use firsthop_agent::{Client, Credentials, Endpoint, Options, TrustedRoots};
use firsthop_certs::Identity;

use crate::{Pki, Service};

/// The agent library's client of a device.
pub fn agent(service: &Service, pki: &Pki, identity: &Identity, options: Options) -> Client {
    let roots = TrustedRoots::from_der(vec![pki.root.certificate_der().clone()]).expect("a root");
    let endpoint = Endpoint::new("localhost", service.port(), roots).expect("an endpoint");
    let credentials = Credentials::from_der(identity.chain.clone(), identity.key.clone_key()).expect("credentials");
    Client::new(&endpoint, &credentials, options).expect("a client")
}

/// A runtime for tests that need one.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
