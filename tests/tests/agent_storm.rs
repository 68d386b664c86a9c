//! Five hundred devices that all begin at the same moment, and a service that takes a few of them at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firsthop_agent::flow::{Action, Assignment, Event, Failure, Known, Machine, Policy, classify};
use firsthop_agent::{Client, Options};
use firsthop_protocol::{Answer, RegisterRequest, Timestamp};
use firsthop_tests::fleet::{agent, runtime};
use firsthop_tests::*;
use tokio::task::JoinSet;

const DEVICES: usize = 500;
/// Registrations a second: it takes ten seconds at the least.
const QUOTA: &str = "50/s";

/// What became of a device.
struct Story {
    hub: String,
    /// How often it was told to come later.
    throttled: u32,
}

/// Does what the flow says until the device is assigned. A return before its Retry-After fails the test.
async fn live(number: usize, client: Client) -> Story {
    let began = Instant::now();
    let policy = Policy { longest_wait: Duration::from_secs(5), ..Policy::default() };
    let mut machine = Machine::new(policy, Known::default(), "storm".into(), number as u64, began);
    let mut throttled = 0;
    let mut not_before = began;
    loop {
        match machine.next(Instant::now()) {
            Some(Action::Register { .. }) => {
                assert!(Instant::now() >= not_before, "dev-{number} came back too early");
                let event = match register(&client).await {
                    Ok(assignment) => Event::Registered(assignment),
                    Err(failure) => {
                        if let Some(retry_after) = failure.retry_after {
                            throttled += 1;
                            not_before = Instant::now() + retry_after;
                        }
                        Event::ServiceFailed(failure)
                    }
                };
                machine.on(event, Instant::now());
            }
            Some(Action::Connect(assignment)) => return Story { hub: assignment.hub, throttled },
            Some(_) => {}
            None => {
                let wake = machine.wake().expect("there is always a next step");
                tokio::time::sleep_until(wake.into()).await;
            }
        }
    }
}

async fn register(client: &Client) -> Result<Assignment, Failure> {
    let mut connection = client.connect().await.map_err(|error| classify::of_service(&error))?;
    let answer = connection.register(&RegisterRequest::default()).await;
    connection.close().await;
    match answer.map_err(|error| classify::of_service(&error))? {
        Answer::Accepted(accepted) => Ok(Assignment {
            hub: accepted.assigned_hub.expect("a hub"),
            device_id: accepted.device_id,
            etag: Some(accepted.etag),
            substatus: accepted.substatus,
            told: Timestamp::now(),
            asked_with: "storm".into(),
        }),
        Answer::Rejected(refusal) => Err(classify::of_refusal(&refusal)),
        Answer::Pending(pending) => panic!("nothing is to be waited for: {pending:?}"),
    }
}

#[test]
fn a_fleet_that_comes_at_once_is_assigned_in_the_end_and_nobody_comes_before_its_time() {
    let pki = Arc::new(Pki::new());
    let config = ServiceConfig::new(&pki).set("quotas", "registrations", format!("\"{QUOTA}\""));
    let service = config.limit("handshakes", 4096).limit("sessions", 4096).start();
    let began = Instant::now();
    let stories = runtime().block_on(async {
        let mut devices = JoinSet::new();
        for number in 0..DEVICES {
            let identity = pki.device(&format!("dev-{number}"));
            let options = Options { timeout: PATIENCE, ..Options::default() };
            devices.spawn(live(number, agent(&service, &pki, &identity, options)));
        }
        devices.join_all().await
    });
    let throttled = stories.iter().filter(|story| story.throttled > 0).count();
    let most = stories.iter().map(|story| story.throttled).max();
    println!("{DEVICES} devices in {:?}, {throttled} had to wait, at most {most:?} times", began.elapsed());
    assert!(throttled > DEVICES / 2, "the quota is small, and {throttled} devices had to wait");
    assert!(stories.iter().all(|story| !story.hub.is_empty()));
    // As the service saw it: each device once, and every other registration was refused in time.
    let registered = service.log.count(|line| line["message"] == "registered");
    assert_eq!((stories.len(), registered), (DEVICES, DEVICES));
}
