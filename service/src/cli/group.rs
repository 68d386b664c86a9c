//! `firsthop group`: enrollment groups.

use firsthop_protocol::GroupId;

use super::Exit;
use super::client::{self, Connection};
use super::trigger::{self, Notice};

/// Enrollment groups.
///
/// Example: firsthop group reprovision line-1 --spread 10m
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask all devices of the group to register again.
    ///
    /// Example: firsthop group reprovision line-1 --reason "new customer" --spread 1h
    Reprovision {
        id: GroupId,
        #[command(flatten)]
        notice: Notice,
    },
}

pub fn run(arguments: &Arguments) -> Exit {
    let Command::Reprovision { id, notice } = &arguments.command;
    client::run(&arguments.connection, |client| async move {
        trigger::tell(&client, format!("/enrollmentGroups/{id}/reprovision"), notice, arguments.connection.output).await
    })
}
