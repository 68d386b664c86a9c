//! What many stored registrations cost: each further registration, and the start after a kill.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::device::{Device, Manner, REGISTER, STATUS, Session};
use crate::fresh;
use crate::live;
use crate::prefill;
use crate::report::{Budget, Report};
use crate::round::{Round, each, median};
use crate::sizes::Sizes;
use crate::world::{Server, Setup, World, device_id};

const MANY: &str = "many.redb";

/// A start that takes longer than this fails.
const LONGEST_START: Duration = Duration::from_secs(60);

pub async fn run(world: &World, sizes: &Sizes, cores: &[usize], report: &mut Report) -> anyhow::Result<()> {
    report.section("(e) cost of a registration by stored registrations, (f) start after a kill");
    let Sizes { rounds, fresh: count, live: at_a_time, at_once, few, many, .. } = *sizes;
    let begun = Instant::now();
    prefill::fill(world, "few.redb", few, cores)?;
    prefill::fill(world, MANY, many, cores)?;
    report.progress(&format!("{few} and {many} registrations stored in {:.1} s", begun.elapsed().as_secs_f64()));
    let bytes = std::fs::metadata(world.path(MANY))?.len();
    report.figure(
        "scale.fileBytes",
        format!("file size for each of {many} registrations"),
        bytes as f64 / many as f64,
        "bytes",
    );

    let small = world.serve("few.redb", Setup::PLAIN).await?;
    let large = world.serve(MANY, Setup::PLAIN).await?;
    let mut fresh_rounds = (Vec::new(), Vec::new());
    let mut live_rounds = (Vec::new(), Vec::new());
    for round in 0..rounds {
        report.progress(&format!("round {} of {rounds}", round + 1));
        for (server, fresh_rounds, live_rounds) in
            [(&small, &mut fresh_rounds.0, &mut live_rounds.0), (&large, &mut fresh_rounds.1, &mut live_rounds.1)]
        {
            let devices = world.fresh_devices(count / 2)?;
            fresh_rounds.push(fresh::registrations(server, devices, at_once, Manner::StepByStep).await?);
            let sessions = live::open(world.fresh_devices(at_a_time)?, server.address, at_once, None).await?;
            live_rounds.push(live::ask_once(server, sessions, REGISTER, b"{}").await?.0);
        }
    }
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value));
    let ratio = |(small, large): &(Vec<Round>, Vec<Round>)| {
        median(large.iter().zip(small).map(|(large, small)| large.server_micros() / small.server_micros()))
    };
    report.figure(
        "scale.fewCpu",
        format!("server CPU, fresh connections, {few} stored"),
        of(&fresh_rounds.0, Round::server_micros),
        "us",
    );
    report.figure(
        "scale.manyCpu",
        format!("server CPU, fresh connections, {many} stored"),
        of(&fresh_rounds.1, Round::server_micros),
        "us",
    );
    let budget = Budget::AtMost(1.2, None);
    report.budgeted("scale.ratio", "ratio, median of the rounds", ratio(&fresh_rounds), "x", budget);
    report.figure(
        "scale.fewLiveCpu",
        format!("server CPU, live sessions, {few} stored"),
        of(&live_rounds.0, Round::server_micros),
        "us",
    );
    report.figure(
        "scale.manyLiveCpu",
        format!("server CPU, live sessions, {many} stored"),
        of(&live_rounds.1, Round::server_micros),
        "us",
    );
    report.figure("scale.liveRatio", "ratio, median of the rounds", ratio(&live_rounds), "x");
    report.figure(
        "scale.manyLiveRate",
        format!("registrations of live sessions at once, {many} stored"),
        of(&live_rounds.1, Round::rate),
        "/s",
    );
    drop(small);
    restarts(world, sizes, large, report).await
}

async fn restarts(world: &World, sizes: &Sizes, mut server: Server, report: &mut Report) -> anyhow::Result<()> {
    // One of those that were stored from the beginning: the look-up proves that they are there.
    let known = world.device(&device_id(sizes.many / 2))?;
    let mut starts = Vec::new();
    for _ in 0..sizes.kills {
        let address = server.address;
        let storm =
            tokio::spawn(each(world.fresh_devices(sizes.fresh)?, sizes.at_once, move |device: Device| async move {
                let begun = Instant::now();
                crate::device::register(&device, address, Manner::StepByStep).await?.leave().await?;
                Ok(begun.elapsed())
            }));
        // So far that commits are under way, and not to the end.
        let before = server.process.cpu_time()?;
        while server.process.cpu_time()? - before < Duration::from_micros(150 * sizes.fresh as u64) {
            if storm.is_finished() {
                bail!("the storm was over before the service could be killed");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let port = address.port();
        server.process.kill()?;
        if storm.await.context("the storm panicked")?.is_ok() {
            bail!("the service was killed too late");
        }
        let begun = Instant::now();
        server = world.spawn_service(MANY, Setup::PLAIN, port)?;
        while look_up(&known, &server).await.is_err() {
            server.process.check()?;
            if begun.elapsed() > LONGEST_START {
                bail!(
                    "no look-up was answered after the restart: {:#}",
                    look_up(&known, &server).await.err().unwrap_or_else(|| anyhow::anyhow!("too late"))
                );
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let worst = starts.iter().copied().fold(0.0, f64::max);
    report.figure("restart.median", "from the start of the process to the first look-up, median", median(starts), "ms");
    report.budgeted("restart.worst", "the slowest", worst, "ms", Budget::AtMost(1000.0, None));
    let begun = Instant::now();
    server.process.terminate()?;
    report.figure("restart.stop", "SIGTERM to the end", begun.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}

async fn look_up(device: &Device, server: &Server) -> anyhow::Result<()> {
    let mut session = Session::open(device, server.address).await?;
    session.ask(STATUS, b"{}").await
}
