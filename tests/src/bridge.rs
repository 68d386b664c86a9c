//! A Unix socket that leads into TLS: rumqttc runs without its own TLS, which would bring a second crypto provider along.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;

use crate::{Dial, Service};

/// Carries one connection. The socket lies in a folder that only its owner may enter.
pub struct Bridge {
    folder: TempDir,
}

impl Bridge {
    pub fn open(service: &Service, dial: &Dial) -> Self {
        let folder = tempfile::Builder::new().prefix("bridge-").tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("mqtt")).expect("a socket");
        let (address, connector) = (service.address(), TlsConnector::from(Arc::new(dial.config())));
        tokio::spawn(async move {
            let (mut local, _) = listener.accept().await?;
            let socket = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").expect("a name");
            let mut remote = connector.connect(name, socket).await?;
            tokio::io::copy_bidirectional(&mut local, &mut remote).await
        });
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mqtt")
    }
}
