//! One measured round: operations against a server, what they cost on both sides, and how long each took.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use crate::machine;
use crate::process::Process;

/// No round takes so long unless something hangs.
const LIMIT: Duration = Duration::from_secs(180);
/// A server that used less CPU in a pause than this has ended its work.
const QUIET: Duration = Duration::from_micros(200);
const PAUSE: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
pub struct Round {
    pub operations: usize,
    pub wall: Duration,
    pub server: Duration,
    pub server_by_ticks: Duration,
    pub client: Duration,
    /// Sorted.
    pub latencies: Vec<Duration>,
}

impl Round {
    /// Runs the work, which returns how long each operation took, and counts what the server does until it is quiet again.
    pub async fn of(
        server: &Process,
        work: impl Future<Output = anyhow::Result<Vec<Duration>>>,
    ) -> anyhow::Result<Self> {
        let (before, ticks_before) = (settled(server).await?, server.cpu_time_by_ticks()?);
        let (client_before, begun) = (machine::own_cpu_time()?, Instant::now());
        let mut latencies = tokio::time::timeout(LIMIT, work).await.context("a round hangs")??;
        let (wall, client) = (begun.elapsed(), machine::own_cpu_time()? - client_before);
        latencies.sort_unstable();
        let server_cpu = settled(server).await? - before;
        let server_by_ticks = server.cpu_time_by_ticks()? - ticks_before;
        Ok(Self { operations: latencies.len(), wall, server: server_cpu, server_by_ticks, client, latencies })
    }

    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.wall.as_secs_f64()
    }

    /// Server CPU per operation in microseconds.
    pub fn server_micros(&self) -> f64 {
        micros(self.server) / self.operations as f64
    }

    /// Client CPU per operation in microseconds.
    pub fn client_micros(&self) -> f64 {
        micros(self.client) / self.operations as f64
    }

    /// Microseconds within which so many of a hundred operations were done.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        micros(self.latencies.get(at).copied().unwrap_or_default())
    }
}

/// Waits until the server has nothing left to do, and returns its CPU time.
pub async fn settled(server: &Process) -> anyhow::Result<Duration> {
    let mut last = server.cpu_time()?;
    for _ in 0..400 {
        tokio::time::sleep(PAUSE).await;
        let now = server.cpu_time()?;
        if now - last < QUIET {
            return Ok(now);
        }
        last = now;
    }
    bail!("the server does not come to rest")
}

/// Operates on each item, so many at a time; the next begins when one is done. Returns how long each took.
pub async fn each<T, F, W>(items: Vec<T>, at_once: usize, operate: F) -> anyhow::Result<Vec<Duration>>
where
    T: Send + 'static,
    F: Fn(T) -> W + Clone + Send + 'static,
    W: Future<Output = anyhow::Result<Duration>> + Send,
{
    let total = items.len();
    let items = Arc::new(Mutex::new(items.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..at_once.min(total) {
        let (items, operate) = (items.clone(), operate.clone());
        workers.spawn(async move {
            let mut took = Vec::new();
            loop {
                let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                match item {
                    Some(item) => took.push(operate(item).await?),
                    None => return Ok::<_, anyhow::Error>(took),
                }
            }
        });
    }
    let mut all = Vec::with_capacity(total);
    while let Some(worker) = workers.join_next().await {
        all.extend(worker.context("a worker panicked")??);
    }
    Ok(all)
}

/// The middle one; of an even number the mean of both.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let (Some(upper), Some(lower)) = (values.get(values.len() / 2), values.get(values.len().saturating_sub(1) / 2))
    else {
        return f64::NAN;
    };
    f64::midpoint(*upper, *lower)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_ones() {
        assert_eq!(median([9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([9.0, 1.0, 2.0, 4.0]), 3.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let latencies = (1..=200).map(Duration::from_micros).collect();
        let round = Round { operations: 200, latencies, ..Round::default() };
        assert_eq!((round.percentile(50), round.percentile(99)), (100.0, 198.0));
    }
}
