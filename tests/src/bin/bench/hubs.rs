//! Devices on their hubs: moves between hubs of one process and of two, twin patches, and a change for many devices at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use crate::device::{REGISTER, Session};
use crate::live::{Doing, ask_often, ask_once, open};
use crate::report::{Budget, Report};
use crate::round::{Round, each, median};
use crate::sizes::Sizes;
use crate::world::{Hubs, Server, Setup, World, free_port};

/// The device's measurements choose its hub: the first, then the second.
const NEAR_FIRST: &[u8] = br#"{"wait":30,"latencies":{"hub-a":1,"hub-b":9}}"#;
const NEAR_SECOND: &[u8] = br#"{"wait":30,"latencies":{"hub-a":9,"hub-b":1}}"#;
const BY_LATENCY: &str = "allocation = \"geoLatency\"";
const ON_FIRST: &str = "allocation = \"static\"\nhubs = [\"hub-a\"]";

const TWIN_ANSWERS: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

/// Back-end changes under way at once.
const CHANGES_AT_ONCE: usize = 64;

pub async fn run(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    moves(world, sizes, report).await.context("moves")?;
    remote_moves(world, sizes, report).await.context("moves between processes")?;
    twins(world, sizes, report).await.context("twins")?;
    fan_out(world, sizes, report).await.context("changes for many")
}

async fn moves(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(g) moves between hubs, durable, with their state");
    let Sizes { rounds, live, at_once, .. } = *sizes;
    let service = world.serve("moves.redb", Setup { group: BY_LATENCY, ..Setup::PLAIN }).await?;
    let sessions = open(world.fresh_devices(live)?, service.address, at_once, None).await?;
    let (_, mut sessions) = ask_once(&service, sessions, REGISTER, NEAR_FIRST).await?;
    let mut moved = Vec::new();
    for round in 0..rounds {
        let towards = if round % 2 == 0 { NEAR_SECOND } else { NEAR_FIRST };
        let (round, back) = ask_once(&service, sessions, REGISTER, towards).await?;
        moved.push(round);
        sessions = back;
    }
    let of = |value: fn(&Round) -> f64| median(moved.iter().map(value));
    report.figure(
        "moves.rate",
        format!("{live} devices move at once between two embedded hubs"),
        of(Round::rate),
        "/s",
    );
    report.figure("moves.cpu", "server CPU for one of them", of(Round::server_micros), "us");
    report.figure("moves.p99", "p99", of(|round| round.percentile(99)) / 1e3, "ms");
    Ok(())
}

async fn remote_moves(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let Sizes { rounds, live, at_once, .. } = *sizes;
    let (hub_port, device_port) = (free_port()?, free_port()?);
    let hub = world.serve_hub("remote-hub.redb", hub_port, device_port).await?;
    let hubs = Hubs::Remote { hub_port, device_port };
    let service = world.serve("remote-moves.redb", Setup { hubs, group: BY_LATENCY, log: None }).await?;
    let sessions = open(world.fresh_devices(live)?, service.address, at_once, None).await?;
    let (_, mut sessions) = ask_once(&service, sessions, REGISTER, NEAR_FIRST).await?;
    let mut moved = Vec::new();
    let mut hub_cpu = Vec::new();
    for round in 0..rounds {
        let towards = if round % 2 == 0 { NEAR_SECOND } else { NEAR_FIRST };
        let before = hub.process.cpu_time()?;
        let (round, back) = ask_once(&service, sessions, REGISTER, towards).await?;
        hub_cpu.push((hub.process.cpu_time()? - before).as_secs_f64() * 1e6 / live as f64);
        moved.push(round);
        sessions = back;
    }
    let of = |value: fn(&Round) -> f64| median(moved.iter().map(value));
    report.figure(
        "remoteMoves.rate",
        format!("{live} devices move at once to or from a remote hub"),
        of(Round::rate),
        "/s",
    );
    report.figure("remoteMoves.cpu", "server CPU for one of them, the service", of(Round::server_micros), "us");
    report.figure("remoteMoves.hubCpu", "server CPU for one of them, the hub", median(hub_cpu), "us");
    report.figure("remoteMoves.p99", "p99", of(|round| round.percentile(99)) / 1e3, "ms");
    Ok(())
}

/// Devices on the first hub, connected to it.
async fn on_hub(
    world: &World,
    service: &Server,
    count: usize,
    at_once: usize,
    filters: &'static [&'static str],
) -> anyhow::Result<(Vec<Arc<str>>, Vec<Session>)> {
    let devices = world.fresh_devices(count)?;
    let address = service.address;
    each(devices.clone(), at_once, move |device| async move {
        let begun = Instant::now();
        crate::device::register(&device, address, crate::device::Manner::AllAtOnce).await?.leave().await?;
        Ok(begun.elapsed())
    })
    .await?;
    let names = devices.iter().map(|device| device.id.clone()).collect();
    let hub = *service.hubs.first().context("the service has a hub")?;
    Ok((names, open(devices, hub, at_once, Some(filters)).await?))
}

async fn twins(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(h) twin patches, durable");
    let Sizes { rounds, requests, at_once, .. } = *sizes;
    let service = world.serve("twins.redb", Setup { group: ON_FIRST, ..Setup::PLAIN }).await?;
    let (_, mut sixteen) = on_hub(world, &service, 17, at_once, &[TWIN_ANSWERS]).await?;
    let mut one = vec![sixteen.pop().context("a session")?];
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(ask_often(&service, &mut one, Doing::Report, requests / 10).await?);
        together.push(ask_often(&service, &mut sixteen, Doing::Report, requests / 2).await?);
    }
    let sdk = as_sdk(world, &service, requests / 50).await?;
    report.budgeted(
        "twins.p50ofSdk",
        "a client that leaves Nagle's algorithm on: round trip, p50",
        sdk.percentile(50) / 1e3,
        "ms",
        Budget::AtMost(2.0, None),
    );
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value));
    for (ids, what, rounds) in [
        (["twins.cpu1", "twins.rate1", "twins.p50of1", "twins.p99of1"], "one at a time", &alone),
        (["twins.cpu16", "twins.rate16", "twins.p50of16", "twins.p99of16"], "16 devices", &together),
    ] {
        let [cpu, rate, p50, p99] = ids;
        report.figure(cpu, format!("{what}: server CPU for one"), of(rounds, Round::server_micros), "us");
        report.figure(rate, format!("{what}: rate"), of(rounds, Round::rate), "/s");
        let middle = of(rounds, |round| round.percentile(50)) / 1e3;
        if p50 == "twins.p50of1" {
            report.budgeted(p50, format!("{what}: round trip, p50"), middle, "ms", Budget::AtMost(2.0, None));
        } else {
            report.figure(p50, format!("{what}: round trip, p50"), middle, "ms");
        }
        report.figure(p99, format!("{what}: round trip, p99"), of(rounds, |round| round.percentile(99)) / 1e3, "ms");
    }
    Ok(())
}

/// One device that patches as device SDKs do.
async fn as_sdk(world: &World, service: &Server, patches: usize) -> anyhow::Result<Round> {
    let device = world.fresh_devices(1)?.pop().context("a device")?;
    crate::device::register(&device, service.address, crate::device::Manner::AllAtOnce).await?.leave().await?;
    let hub = *service.hubs.first().context("the service has a hub")?;
    let mut session = Session::open_as_sdk(&device, hub, &[TWIN_ANSWERS]).await?;
    let work = async {
        let mut took = Vec::with_capacity(patches);
        for number in 0..patches {
            let begun = Instant::now();
            session.report_as_sdk(number).await?;
            took.push(begun.elapsed());
        }
        Ok(took)
    };
    Round::of(&service.process, work).await
}

async fn fan_out(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(i) desired properties of many connected devices change");
    let Sizes { fan_out: count, at_once, .. } = *sizes;
    let service = world.serve("fan-out.redb", Setup { group: ON_FIRST, ..Setup::PLAIN }).await?;
    let (names, sessions) = on_hub(world, &service, count, at_once, &[DESIRED]).await?;
    report.progress("connected");
    let begun = Instant::now();
    let mut waiting = JoinSet::new();
    for mut session in sessions {
        waiting.spawn(async move {
            session.desired().await?;
            Ok::<_, anyhow::Error>((begun.elapsed(), session))
        });
    }
    let client = management(&service.socket)?;
    let work = async {
        let change = move |name: Arc<str>| {
            let client = client.clone();
            async move {
                let begun = Instant::now();
                change_desired(&client, &name).await?;
                Ok(begun.elapsed())
            }
        };
        each(names, CHANGES_AT_ONCE, change).await?;
        let mut latencies: Vec<Duration> = Vec::with_capacity(count);
        let mut sessions = Vec::with_capacity(count);
        while let Some(task) = waiting.join_next().await {
            let (at, session) = task.context("a session panicked")??;
            latencies.push(at);
            sessions.push(session);
        }
        Ok(latencies)
    };
    let round = Round::of(&service.process, work).await?;
    report.figure(
        "fanOut.rate",
        format!("{count} devices, a change each, durable, to the last delivery"),
        round.rate(),
        "/s",
    );
    report.figure("fanOut.cpu", "server CPU for one of them, its request included", round.server_micros(), "us");
    Ok(())
}

/// A client of the management socket.
fn management(socket: &Path) -> anyhow::Result<reqwest::Client> {
    // Nothing here is https; without a configuration of ours the client would look for a provider of its own.
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().unix_socket(socket).tls_backend_preconfigured(tls).no_proxy().build()?)
}

async fn change_desired(client: &reqwest::Client, device: &str) -> anyhow::Result<()> {
    let change = serde_json::json!({"properties": {"desired": {"interval": 5}}});
    let answer = client.patch(format!("http://firsthop/twins/{device}")).json(&change).send().await?;
    if !answer.status().is_success() {
        bail!("the change was answered by {}: {}", answer.status(), answer.text().await?);
    }
    Ok(())
}
