//! Single requests to the service, without a running agent.

use std::path::Path;
use std::time::Duration;

use firsthop_agent::{Client, Connection, Endpoint, Error, Options, Reply, Request, TrustedRoots, keys};

use super::service_args::{ConnectionArgs, LookupArgs, RegisterArgs};
use super::{exit, fail, output, runtime};

/// How long measuring the hubs may take.
const MEASURING: Duration = Duration::from_secs(2);

pub fn register(args: &RegisterArgs) -> u8 {
    match args.check() {
        Ok(()) => ended(&args.connection, registered(args)),
        Err(complaint) => fail(exit::USAGE, &complaint),
    }
}

pub fn look_up(args: &LookupArgs) -> u8 {
    ended(&args.connection, looked_up(args))
}

fn ended(connection: &ConnectionArgs, asked: impl Future<Output = Result<Reply, Error>>) -> u8 {
    let outcome = match runtime() {
        Ok(runtime) => runtime.block_on(asked),
        Err(error) => return fail(exit::FAILURE, &error),
    };
    match outcome {
        Ok(reply) => {
            output::answer(&reply, connection.output);
            exit::of_answer(&reply.answer)
        }
        Err(error) => {
            let code = exit::of_error(&error);
            output::failure(&anyhow::Error::from(error));
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

async fn looked_up(args: &LookupArgs) -> Result<Reply, Error> {
    ask(connect(&args.connection).await?, Request::Status(&args.request())).await
}

async fn ask(mut connection: Connection, request: Request<'_>) -> Result<Reply, Error> {
    let reply = connection.ask(request).await;
    connection.close().await;
    reply
}

async fn connect(args: &ConnectionArgs) -> Result<Connection, Error> {
    let credentials = keys::source(Path::new(""), &args.cert, &args.key)?.load()?;
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
