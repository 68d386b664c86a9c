//! What the command does with its arguments.

pub mod args;
pub mod exit;
mod input;
mod report;

use std::time::Duration;

use firsthop_agent::{Client, Connection, Credentials, Endpoint, Error, Options, Reply, Request, TrustedRoots};

use args::{Args, Command, ConnectionArgs, RegisterArgs, StatusArgs};

/// How long measuring the hubs may take.
const MEASURING: Duration = Duration::from_secs(2);

/// Runs the command; gives its exit code.
pub async fn run(args: Args) -> u8 {
    let (connection, outcome) = match &args.command {
        Command::Register(register) => {
            if let Err(complaint) = register.check() {
                eprintln!("error: {complaint}");
                return exit::USAGE;
            }
            (&register.connection, registered(register).await)
        }
        Command::Status(status) => (&status.connection, looked_up(status).await),
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

async fn registered(args: &RegisterArgs) -> Result<Reply, Error> {
    let mut request = args.request();
    let mut connection = connect(&args.connection).await?;
    if args.measure {
        let latencies = connection.measure_hubs(MEASURING).await?;
        request.latencies = (!latencies.is_empty()).then_some(latencies);
    }
    ask(connection, Request::Register(&request)).await
}

async fn looked_up(args: &StatusArgs) -> Result<Reply, Error> {
    ask(connect(&args.connection).await?, Request::Status(&args.request())).await
}

async fn ask(mut connection: Connection, request: Request<'_>) -> Result<Reply, Error> {
    let reply = connection.ask(request).await;
    connection.close().await;
    reply
}

async fn connect(args: &ConnectionArgs) -> Result<Connection, Error> {
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
    Client::new(&endpoint, &credentials, options)?.connect().await
}
