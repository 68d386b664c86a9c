//! Requests that are answered again and again.

use std::sync::Arc;

use firsthop_agent::twin::Desired;
use tokio::sync::watch;

use super::answer::{self, Refusal};
use super::connection::Connection;
use super::lines::LineError;
use super::messages::Consumer;
use super::request::Acceptance;
use crate::gateway::port::DevicePort;

/// The desired properties, now and whenever they change. Ends with the client, or with the device.
pub async fn watch(
    connection: &mut Connection,
    desired: &mut watch::Receiver<Option<Arc<Desired>>>,
) -> Result<(), LineError> {
    loop {
        let now = desired.borrow_and_update().clone();
        connection.send(&answer::desired(now.as_deref())).await?;
        tokio::select! {
            changed = desired.changed() => if changed.is_err() { return Ok(()) },
            line = connection.lines.next() => return no_more(connection, line).await,
        }
    }
}

/// Messages, each after the one before it was accepted.
pub async fn messages<D: DevicePort>(
    connection: &mut Connection,
    device: &D,
    consumer: Consumer,
) -> Result<(), LineError> {
    if let Err(stopped) = device.want_messages(true).await {
        connection.refuse("messages", &stopped.into()).await?;
        return Ok(());
    }
    let ended = deliver(connection, &consumer).await;
    // Both before the next client can want them: the device offers them anew to that one.
    consumer.give_back();
    let _ = device.want_messages(false).await;
    drop(consumer);
    ended
}

async fn deliver(connection: &mut Connection, consumer: &Consumer) -> Result<(), LineError> {
    connection.send(&answer::done()).await?;
    for number in 1.. {
        let message = tokio::select! {
            message = consumer.next() => message,
            line = connection.lines.next() => return no_more(connection, line).await,
        };
        connection.send(&answer::message(number, &message)).await?;
        let Some(line) = connection.lines.next().await? else { return Ok(()) };
        match Acceptance::parse(&line) {
            Ok(Acceptance { accept }) if accept == number => message.accept(),
            Ok(Acceptance { accept }) => {
                let refusal = Refusal::bad(format!("message {number} is to be accepted, not {accept}"));
                connection.refuse("messages", &refusal).await?;
                return Ok(());
            }
            Err(refusal) => {
                connection.refuse("messages", &refusal).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The end of the client's side ends a stream; anything else has no place in it.
async fn no_more(connection: &mut Connection, line: Result<Option<bytes::Bytes>, LineError>) -> Result<(), LineError> {
    if line?.is_some() {
        connection
            .refuse("a stream", &Refusal::bad("nothing is expected here: open another connection".to_owned()))
            .await?;
    }
    Ok(())
}
