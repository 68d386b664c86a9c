//! How far the hubs are from this device (rule B5): the time that a TCP connection takes to stand, which is one round trip.
//!
//! Measured side by side, so that a hub that does not answer costs its own time only; each several times, of which the shortest counts:
//! whatever else a network or a busy machine does only adds to it.

use std::collections::BTreeMap;
use std::time::Duration;

use firsthop_protocol::HubName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Most hubs that are measured, and that a registration may report.
pub const MAX_HUBS: usize = 64;
/// How often each is measured.
const TRIES: usize = 3;

/// Measures the hubs at these addresses (`host:port`), in milliseconds rounded up. A hub that cannot be reached within `limit` is left
/// out, and so is one beyond the first [`MAX_HUBS`].
pub async fn measure(hubs: &BTreeMap<HubName, String>, limit: Duration) -> BTreeMap<HubName, u32> {
    let mut measuring = JoinSet::new();
    for (hub, address) in hubs.iter().take(MAX_HUBS) {
        let (hub, address) = (hub.clone(), address.clone());
        measuring.spawn(async move { (hub, timeout(limit, round_trip(&address)).await.ok().flatten()) });
    }
    let mut measured = BTreeMap::new();
    while let Some(outcome) = measuring.join_next().await {
        if let Ok((hub, Some(round_trip))) = outcome {
            measured.insert(hub, milliseconds(round_trip));
        }
    }
    measured
}

async fn round_trip(address: &str) -> Option<Duration> {
    // Names are resolved beforehand: how far the resolver is says nothing of the hub.
    let address = tokio::net::lookup_host(address).await.ok()?.next()?;
    let mut shortest: Option<Duration> = None;
    for _ in 0..TRIES {
        let began = Instant::now();
        match TcpStream::connect(address).await {
            Ok(_) => {
                let took = began.elapsed();
                shortest = Some(shortest.map_or(took, |shortest| shortest.min(took)));
            }
            Err(error) => tracing::debug!(%address, %error, "a hub was not reached"),
        }
    }
    shortest
}

/// Rounded up, so that a hub that answers is never as near as none.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(name: &str) -> HubName {
        HubName::parse(name).unwrap()
    }

    #[test]
    fn part_of_a_millisecond_counts_as_one() {
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert_eq!(milliseconds(Duration::from_micros(1000)), 1);
        assert_eq!(milliseconds(Duration::from_micros(1001)), 2);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }

    #[tokio::test]
    async fn hubs_that_answer_are_measured_and_others_are_left_out() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            gone.local_addr().unwrap()
        };
        let hubs = BTreeMap::from([
            (hub("near"), open.to_string()),
            (hub("closed"), closed.to_string()),
            (hub("nonsense"), "no address".to_owned()),
        ]);
        let measured = measure(&hubs, Duration::from_secs(10)).await;
        assert_eq!(measured.keys().map(HubName::as_str).collect::<Vec<_>>(), ["near"]);
        assert!(measured[&hub("near")] >= 1);
    }
}
