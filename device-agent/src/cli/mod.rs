//! What the command does with its arguments.

pub mod args;
pub mod exit;
mod input;
mod report;

use std::time::Duration;

use firsthop_agent::{Client, Credentials, Endpoint, Error, Options, Reply, Request, TrustedRoots};

use args::{Args, Command, ConnectionArgs};

/// Runs the command; gives its exit code.
pub async fn run(args: Args) -> u8 {
    let (connection, outcome) = match &args.command {
        Command::Register(register) => {
            if let Err(complaint) = register.check() {
                eprintln!("error: {complaint}");
                return exit::USAGE;
            }
            let request = register.request();
            (&register.connection, exchange(&register.connection, Request::Register(&request)).await)
        }
        Command::Status(status) => {
            (&status.connection, exchange(&status.connection, Request::Status(&status.request())).await)
        }
    };
    match outcome {
        Ok(reply) => {
            report::answer(&reply, connection.output);
            exit::of_answer(&reply.answer)
        }
        Err(error) => {
            let code = exit::of_error(&error);
            report::failure(&anyhow::Error::from(error));
            code
        }
    }
}

async fn exchange(args: &ConnectionArgs, request: Request<'_>) -> Result<Reply, Error> {
    let credentials = Credentials::from_pem_files(&args.cert, &args.key)?;
    let mut endpoint = Endpoint::new(&args.host, args.port, TrustedRoots::from_pem_file(&args.ca)?)?;
    if let Some(name) = &args.server_name {
        endpoint = endpoint.with_server_name(name)?;
    }
    let options = Options {
        mqtt: args.mqtt.into(),
        format: args.format.into(),
        timeout: Duration::from(args.timeout),
        client_id: args.client_id.clone(),
        ..Options::default()
    };
    let mut connection = Client::new(&endpoint, &credentials, options)?.connect().await?;
    let reply = connection.ask(request).await;
    connection.close().await;
    reply
}
