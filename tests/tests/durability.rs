//! Nothing that was acknowledged is lost, whenever the process is killed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firsthop_agent::Options;
use firsthop_protocol::body::Accepted;
use firsthop_protocol::{Answer, RegisterRequest, StatusRequest};
use firsthop_tests::fleet::{agent, runtime};
use firsthop_tests::numbers::Numbers;
use firsthop_tests::*;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

const DEVICES: usize = 250;
const ROUNDS: usize = 3;

#[test]
fn after_kill_9_in_a_storm_every_acknowledged_registration_is_there() {
    let pki = Arc::new(Pki::new());
    let config = ServiceConfig::new(&pki);
    let mut numbers = Numbers::seeded();
    let identities: Vec<_> = (0..DEVICES).map(|number| pki.device(&format!("dev-{number}"))).collect();
    let mut acknowledged: HashMap<usize, Accepted> = HashMap::new();
    for round in 0..ROUNDS {
        let service = config.start();
        verify(&service, &pki, &identities, &acknowledged);
        // Killed when so many have an answer; more are under way at that moment.
        let kill_at = 1 + numbers.below(DEVICES - 1);
        let done = storm(service, &pki, &identities, round, kill_at);
        println!("round {round}: killed at {kill_at}, {} acknowledged", done.len());
        assert!(done.len() >= kill_at.min(DEVICES));
        acknowledged.extend(done);
    }
    let service = config.start();
    verify(&service, &pki, &identities, &acknowledged);
    assert_eq!(service.terminate().code(), Some(0));
}

/// Registers all devices with content of this round and kills the service meanwhile; gives what was acknowledged.
fn storm(
    service: Service,
    pki: &Arc<Pki>,
    identities: &[firsthop_certs::Identity],
    round: usize,
    kill_at: usize,
) -> HashMap<usize, Accepted> {
    runtime().block_on(async {
        let (count, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let places = Arc::new(Semaphore::new(48));
        let mut running = JoinSet::new();
        for (number, identity) in identities.iter().enumerate() {
            let client = agent(&service, pki, identity, Options::default());
            let (count, reached, places) = (count.clone(), reached.clone(), places.clone());
            let request: RegisterRequest =
                serde_json::from_value(serde_json::json!({"metadata": {"round": round}})).unwrap();
            running.spawn(async move {
                let _place = places.acquire_owned().await;
                // After the kill, connections fail; that is no answer.
                let mut connection = client.connect().await.ok()?;
                let answer = connection.register(&request).await.ok()?;
                if count.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                    reached.notify_one();
                }
                match answer {
                    Answer::Accepted(accepted) => Some((number, *accepted)),
                    other => panic!("device {number} got {other:?}"),
                }
            });
        }
        reached.notified().await;
        service.kill();
        running.join_all().await.into_iter().flatten().collect()
    })
}

/// Each device finds what it was told, or what it registered later without getting the answer.
fn verify(
    service: &Service,
    pki: &Pki,
    identities: &[firsthop_certs::Identity],
    acknowledged: &HashMap<usize, Accepted>,
) {
    runtime().block_on(async {
        for (number, told) in acknowledged {
            let identity = &identities[*number];
            let mut connection = agent(service, pki, identity, Options::default()).connect().await.unwrap();
            let answer = connection.status(&StatusRequest::default()).await.unwrap();
            let Answer::Accepted(found) = answer else { panic!("dev-{number} was told {told:?} and finds {answer:?}") };
            assert_eq!((&found.assigned_hub, found.created), (&told.assigned_hub, told.created), "dev-{number}");
            if found.etag != told.etag {
                assert!(found.last_updated > told.last_updated, "dev-{number} was told {told:?} and finds {found:?}");
            }
        }
    });
}

#[test]
fn an_answer_that_was_read_means_that_the_registration_is_on_the_disk() {
    let pki = Pki::new();
    let config = ServiceConfig::new(&pki);
    let device = pki.device("dev-1");
    let mut last = None;
    for round in 0..5 {
        let service = config.start();
        let mut client = Dial::new(&service, &pki, &device).connect();
        if let Some(last) = &last {
            assert_eq!(&client.status("{}")["etag"], last);
        }
        let answer = client.register(format!(r#"{{"metadata":{{"round":{round}}}}}"#));
        service.kill();
        assert_eq!(answer["status"], 200, "{answer}");
        last = Some(answer["etag"].clone());
    }
}
