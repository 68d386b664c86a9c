//! Mosquitto with the same certificates, where it is installed: what a plain broker needs for a session and for a message.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::Process;
use crate::world::{Server, World, free_port};

/// The broker's program (Debian package mosquitto).
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join("mosquitto")).find(|program| program.is_file())
}

/// Starts it. `None` where it is not installed.
pub async fn start(world: &World) -> anyhow::Result<Option<Server>> {
    let Some(program) = program() else { return Ok(None) };
    let port = free_port()?;
    std::fs::write(world.path("authorities.pem"), world.authorities_pem())?;
    let file = |name: &str| world.path(name).display().to_string();
    // Run by root it would become another user, who may not read the key.
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let text = format!(
        "user {user}\npersistence false\nlog_dest none\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\nuse_identity_as_username true\nallow_anonymous false\nmax_connections -1\nset_tcp_nodelay true\n",
        file("authorities.pem"),
        file("server.pem"),
        file("server.key"),
    );
    let config = world.path("mosquitto.conf");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::spawn("mosquitto", command, &world.server_cores)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Some(Server::plain(process, address).ready().await?))
}
