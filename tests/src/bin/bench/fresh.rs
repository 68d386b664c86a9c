//! First registrations over fresh connections beside bare handshakes: the price of everything that is not TLS.

use std::net::SocketAddr;
use std::time::Instant;

use crate::baseline;
use crate::device::{Device, Manner, register};
use crate::report::{Budget, Report};
use crate::round::{Round, each, median};
use crate::sizes::Sizes;
use crate::world::{Hubs, Server, Setup, World};

/// Registers each device over a connection of its own.
pub async fn registrations(
    server: &Server,
    devices: Vec<Device>,
    at_once: usize,
    manner: Manner,
) -> anyhow::Result<Round> {
    let address = server.address;
    let work = each(devices, at_once, move |device| register_and_leave(device, address, manner));
    Round::of(&server.process, work).await
}

async fn register_and_leave(
    device: Device,
    address: SocketAddr,
    manner: Manner,
) -> anyhow::Result<std::time::Duration> {
    let begun = Instant::now();
    let session = register(&device, address, manner).await?;
    let took = begun.elapsed();
    session.leave().await?;
    Ok(took)
}

async fn handshakes(server: &Server, devices: Vec<Device>, at_once: usize) -> anyhow::Result<Round> {
    let address = server.address;
    let work = each(devices, at_once, move |device: Device| async move {
        let begun = Instant::now();
        device.shake_hands(address).await?;
        Ok(begun.elapsed())
    });
    Round::of(&server.process, work).await
}

pub async fn run(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(a) bare handshakes and (b) first registrations on fresh connections, durable");
    let Sizes { rounds, fresh, at_once, .. } = *sizes;
    let bare = baseline::start(world)?;
    let service = world.serve("fresh.redb", Setup::PLAIN).await?;
    let terse = world.serve("fresh-terse.redb", Setup { log: Some("warn"), ..Setup::PLAIN }).await?;
    let addresses = Setup { hubs: Hubs::Addresses, ..Setup::PLAIN };
    let stateless = world.serve("fresh-addresses.redb", addresses).await?;
    let spoken = world.device("negotiating")?;
    report.fact("bare", spoken.negotiate(bare.address).await?);
    report.fact("service", spoken.negotiate(service.address).await?);
    // Allocators, page caches and code get warm.
    let warm = world.fresh_devices(fresh.min(400))?;
    handshakes(&bare, warm.clone(), at_once).await?;
    registrations(&service, warm.clone(), at_once, Manner::StepByStep).await?;
    registrations(&terse, warm.clone(), at_once, Manner::StepByStep).await?;
    registrations(&stateless, warm, at_once, Manner::StepByStep).await?;

    let (mut a, mut b, mut eager, mut quiet) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut without_copy = Vec::new();
    for round in 0..rounds {
        report.progress(&format!("round {} of {rounds}", round + 1));
        let devices = world.fresh_devices(fresh)?;
        a.push(handshakes(&bare, devices.clone(), at_once).await?);
        b.push(registrations(&service, devices.clone(), at_once, Manner::StepByStep).await?);
        quiet.push(registrations(&terse, devices.clone(), at_once, Manner::StepByStep).await?);
        without_copy.push(registrations(&stateless, devices, at_once, Manner::StepByStep).await?);
        eager.push(registrations(&service, world.fresh_devices(fresh)?, at_once, Manner::AllAtOnce).await?);
    }
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value));
    let ratio = |upper: &[Round], lower: &[Round], value: fn(&Round) -> f64| {
        median(upper.iter().zip(lower).map(|(u, l)| value(u) / value(l)))
    };
    report.figure("bare.cpu", "(a) server CPU per handshake", of(&a, Round::server_micros), "us");
    report.figure("bare.rate", "(a) handshakes", of(&a, Round::rate), "/s");
    report.figure("bare.p50", "(a) p50", of(&a, |round| round.percentile(50)) / 1e3, "ms");
    report.figure("bare.p99", "(a) p99", of(&a, |round| round.percentile(99)) / 1e3, "ms");
    report.figure("bare.client", "(a) client CPU per handshake", of(&a, Round::client_micros), "us");
    report.figure("fresh.cpu", "(b) server CPU per registration", of(&b, Round::server_micros), "us");
    report.figure("fresh.rate", "(b) registrations", of(&b, Round::rate), "/s");
    report.figure("fresh.p50", "(b) p50", of(&b, |round| round.percentile(50)) / 1e3, "ms");
    report.figure("fresh.p99", "(b) p99", of(&b, |round| round.percentile(99)) / 1e3, "ms");
    report.figure("fresh.client", "(b) client CPU per registration", of(&b, Round::client_micros), "us");
    let aim = Budget::AtMost(1.4, Some(1.25));
    report.budgeted(
        "fresh.cpuRatio",
        "(b) server CPU to (a), median of the rounds",
        ratio(&b, &a, Round::server_micros),
        "x",
        aim,
    );
    let aim = Budget::AtLeast(70.0, Some(85.0));
    report.budgeted(
        "fresh.rateRatio",
        "(b) rate to (a), median of the rounds",
        100.0 * ratio(&b, &a, Round::rate),
        "%",
        aim,
    );
    report.figure(
        "fresh.eagerCpuRatio",
        "(b) CPU to (a), all packets in one write",
        ratio(&eager, &a, Round::server_micros),
        "x",
    );
    report.figure(
        "fresh.eagerRateRatio",
        "(b) rate to (a), all packets in one write",
        100.0 * ratio(&eager, &a, Round::rate),
        "%",
    );
    report.figure(
        "fresh.logCpu",
        "(b) CPU that the log at info costs more than at warn",
        of(&b, Round::server_micros) - of(&quiet, Round::server_micros),
        "us",
    );
    report.figure(
        "fresh.copyCpu",
        "(b) CPU of the hub's copy: beyond a registration to an address",
        of(&b, Round::server_micros) - of(&without_copy, Round::server_micros),
        "us",
    );
    let by_ticks = |round: &Round| round.server_by_ticks.as_secs_f64() / round.server.as_secs_f64();
    report.figure("fresh.cpuCheck", "(b) the same CPU time by /proc/<pid>/stat", 100.0 * of(&b, by_ticks), "%");
    Ok(())
}
