//! The yardstick: a server that shakes hands and closes, with rustls and tokio and nothing else.
//!
//! It judges the client's chain against the group's CA as rustls does by itself, and speaks what the service speaks: the same
//! provider, no tickets, no resumption.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use firsthop_certs::Identity;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::process::Process;
use crate::world::{Server, World};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder with the server's certificate and the group's CA.
    folder: PathBuf,
}

/// Starts the yardstick as a process of its own.
pub fn start(world: &World) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare-server").arg(world.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Process::spawn("the bare server", command, &world.server_cores)?;
    let output = process.child().stdout.take().context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address =
        line.trim().parse().with_context(|| format!("the bare server said {line:?} instead of its address"))?;
    Ok(Server::plain(process, address))
}

/// Is the yardstick.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let identity = Identity::read(arguments.folder.join("server"))?;
    let mut anchors = RootCertStore::empty();
    anchors.add(CertificateDer::from_pem_file(arguments.folder.join("group.pem"))?)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(4096)?;
        println!("{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(shake_hands(acceptor.clone(), stream));
        }
    })
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) {
    let secured = async {
        stream.set_nodelay(true)?;
        let mut stream = Box::pin(acceptor.accept(stream)).await?;
        stream.shutdown().await
    };
    if let Err(error) = secured.await {
        eprintln!("a handshake failed: {error}");
    }
}
