//! Attempts: connect to a hub, look up, register. Each is one future with one outcome, and holds nothing when it is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::body::{Current, RegistrationStatus};
use firsthop_protocol::{Accepted, Answer, RegisterRequest, StatusRequest, Timestamp};

use super::DeviceConfig;
use super::identity::Identity;
use crate::flow::{Assignment, Class, Event, Failure, LookedUp, classify};
use crate::hub::Session;
use crate::{Client, Connection, Endpoint, Error, Options};

/// How long measuring the hubs may take.
const MEASURING: Duration = Duration::from_secs(2);
/// When to look again where the service does not say.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What attempts are made with.
#[derive(Debug)]
pub(super) struct Means {
    pub config: DeviceConfig,
    pub identity: Arc<Identity>,
    /// A digest of what the device says of itself.
    pub asked_with: String,
}

/// How an attempt ended.
pub(super) enum Outcome {
    Hub(Result<Box<Session>, Failure>),
    Service(Event),
}

pub(super) type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Connects to a hub.
pub(super) fn connect(means: Arc<Means>, to: Assignment) -> Attempt {
    Box::pin(async move {
        let session = async {
            let endpoint = hub_endpoint(&means, &to.hub)?;
            let credentials = means.identity.refresh().await;
            let options = Options { keep_alive: means.config.keep_alive, ..means.options() };
            Session::open(&Client::new(&endpoint, &credentials, options)?, &to.device_id).await
        };
        Outcome::Hub(session.await.map(Box::new).map_err(|error| classify::of_hub(&error)))
    })
}

/// Asks the service where the device belongs (rule C6).
pub(super) fn look_up(means: Arc<Means>) -> Attempt {
    Box::pin(async move {
        let answer = async {
            let mut connection = means.service().await?;
            let answer = connection.status(&StatusRequest::default()).await;
            connection.close().await;
            answer
        };
        Outcome::Service(match answer.await {
            Ok(Answer::Accepted(accepted)) => looked_up(&means, *accepted),
            Ok(Answer::Pending(pending)) => {
                Event::LookedUp(LookedUp::Assigning { retry_after: seconds(pending.retry_after) })
            }
            Ok(Answer::Rejected(refusal)) => Event::ServiceFailed(classify::of_refusal(&refusal)),
            Err(error) => Event::ServiceFailed(classify::of_service(&error)),
        })
    })
}

/// Registers (rule C1).
pub(super) fn register(means: Arc<Means>, held: Option<Assignment>) -> Attempt {
    Box::pin(async move {
        let answer = async {
            let mut connection = means.service().await?;
            let answer = means.register(&mut connection, held).await;
            connection.close().await;
            answer
        };
        Outcome::Service(match answer.await {
            Ok(Answer::Accepted(accepted)) => registered(&means, *accepted),
            Ok(Answer::Pending(pending)) => Event::Pending { retry_after: seconds(pending.retry_after) },
            Ok(Answer::Rejected(refusal)) => Event::ServiceFailed(classify::of_refusal(&refusal)),
            Err(error) => Event::ServiceFailed(classify::of_service(&error)),
        })
    })
}

impl Means {
    fn options(&self) -> Options {
        Options { mqtt: self.config.mqtt, timeout: self.config.timeout, ..Options::default() }
    }

    async fn service(&self) -> Result<Connection, Error> {
        let credentials = self.identity.refresh().await;
        Client::new(&self.config.service, &credentials, self.options())?.connect().await
    }

    async fn register(&self, connection: &mut Connection, held: Option<Assignment>) -> Result<Answer, Error> {
        let said = &self.config.register;
        let mut request = RegisterRequest {
            metadata: said.metadata.clone(),
            endpoints: said.endpoints.clone(),
            model: said.model.clone(),
            payload: said.payload.clone(),
            current: held.map(|held| Current { hub: held.hub, etag: held.etag }),
            ..RegisterRequest::default()
        };
        if said.measure {
            let latencies = connection.measure_hubs(MEASURING).await?;
            request.latencies = (!latencies.is_empty()).then_some(latencies);
        }
        connection.register(&request).await
    }
}

fn looked_up(means: &Means, accepted: Accepted) -> Event {
    match accepted.state {
        RegistrationStatus::Assigning => Event::LookedUp(LookedUp::Assigning { retry_after: LOOK_AGAIN }),
        _ => match assignment(means, accepted) {
            Ok(assignment) => Event::LookedUp(LookedUp::Assigned(assignment)),
            Err(failure) => Event::ServiceFailed(failure),
        },
    }
}

fn registered(means: &Means, accepted: Accepted) -> Event {
    match assignment(means, accepted) {
        Ok(assignment) => Event::Registered(assignment),
        Err(failure) => Event::ServiceFailed(failure),
    }
}

fn assignment(means: &Means, accepted: Accepted) -> Result<Assignment, Failure> {
    let failed =
        |message: String| Failure { class: Class::Other, retry_after: None, register: false, instead: None, message };
    match (accepted.state, accepted.assigned_hub) {
        (RegistrationStatus::Assigned, Some(hub)) => Ok(Assignment {
            hub,
            device_id: accepted.device_id,
            etag: Some(accepted.etag),
            substatus: accepted.substatus,
            told: Timestamp::now(),
            asked_with: means.asked_with.clone(),
        }),
        (state, _) => {
            let why = accepted.error_message.map_or_else(String::new, |message| format!(": {message}"));
            Err(failed(format!("{} says {state:?} and names no hub{why}", means.config.service)))
        }
    }
}

fn hub_endpoint(means: &Means, address: &str) -> Result<Endpoint, Error> {
    let malformed = || Error::MalformedHub { address: address.to_owned() };
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    Ok(Endpoint::new(host, port, means.config.hub_roots.clone())?)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
