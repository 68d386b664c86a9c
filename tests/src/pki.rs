//! The PKI of a test: a root, a factory below it, a server.

use firsthop_certs::{Authority, Identity};

/// Made anew for each test.
pub struct Pki {
    pub root: Authority,
    /// An intermediate; its devices are those of the group `factory`.
    pub factory: Authority,
    pub server: Identity,
}

impl Pki {
    #[allow(clippy::new_without_default, reason = "a PKI is made, not defaulted")]
    pub fn new() -> Self {
        let root = Authority::root("Test root").expect("a root");
        let factory = root.intermediate("Test factory").expect("an intermediate");
        let server = root.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a server certificate");
        Self { root, factory, server }
    }

    /// A device of the factory.
    pub fn device(&self, id: &str) -> Identity {
        self.factory.device(id).expect("a device certificate")
    }
}
