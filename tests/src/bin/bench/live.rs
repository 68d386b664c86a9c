//! Requests on live connections: first registrations of many at once, look-ups, registrations that change nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::device::{Device, REGISTER, STATUS, Session};
use crate::mosquitto;
use crate::report::{Budget, Report};
use crate::round::{Round, each, median};
use crate::sizes::Sizes;
use crate::world::{Server, Setup, World};

/// Opens a session for each device.
pub async fn open(
    devices: Vec<Device>,
    address: SocketAddr,
    at_once: usize,
    filters: Option<&'static [&'static str]>,
) -> anyhow::Result<Vec<Session>> {
    let (sender, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let opening = each(devices, at_once, move |device: Device| {
        let sender = sender.clone();
        async move {
            let begun = Instant::now();
            let session = match filters {
                None => Session::open(&device, address).await?,
                Some(filters) => Session::open_with(&device, address, filters).await?,
            };
            sender.send(session).context("sessions are collected")?;
            Ok(begun.elapsed())
        }
    });
    opening.await?;
    let mut sessions = Vec::new();
    while let Ok(session) = opened.try_recv() {
        sessions.push(session);
    }
    Ok(sessions)
}

/// Each session asks once, all at the same time.
pub async fn ask_once(
    server: &Server,
    sessions: Vec<Session>,
    topic: &'static str,
    body: &'static [u8],
) -> anyhow::Result<(Round, Vec<Session>)> {
    let mut kept = Vec::with_capacity(sessions.len());
    let start = Arc::new(Barrier::new(sessions.len() + 1));
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        let start = start.clone();
        tasks.spawn(async move {
            start.wait().await;
            let begun = Instant::now();
            session.ask(topic, body).await?;
            Ok::<_, anyhow::Error>((begun.elapsed(), session))
        });
    }
    let work = async {
        start.wait().await;
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            let (took, session) = task.context("a session panicked")??;
            latencies.push(took);
            kept.push(session);
        }
        Ok(latencies)
    };
    let round = Round::of(&server.process, work).await?;
    Ok((round, kept))
}

/// What a session does again and again.
#[derive(Debug, Clone, Copy)]
pub enum Doing {
    Ask(&'static str),
    Echo(&'static str),
    /// Patches the reported properties on a hub.
    Report,
}

/// The sessions ask so many times in all, each the next time when it has its answer.
pub async fn ask_often(
    server: &Server,
    sessions: &mut Vec<Session>,
    doing: Doing,
    requests: usize,
) -> anyhow::Result<Round> {
    let each_asks = requests / sessions.len().max(1);
    let mut tasks = JoinSet::new();
    let start = Arc::new(Barrier::new(sessions.len() + 1));
    for mut session in sessions.drain(..) {
        let start = start.clone();
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(each_asks);
            start.wait().await;
            for number in 0..each_asks {
                let begun = Instant::now();
                match doing {
                    Doing::Ask(topic) => session.ask(topic, b"{}").await?,
                    Doing::Echo(topic) => session.echo(topic, PAYLOAD).await?,
                    Doing::Report => session.report(number).await?,
                }
                took.push(begun.elapsed());
            }
            Ok::<_, anyhow::Error>((took, session))
        });
    }
    let work = async {
        start.wait().await;
        let mut latencies = Vec::with_capacity(requests);
        while let Some(task) = tasks.join_next().await {
            let (took, session) = task.context("a session panicked")??;
            latencies.extend(took);
            sessions.push(session);
        }
        Ok(latencies)
    };
    Round::of(&server.process, work).await
}

/// As long as an answer.
const PAYLOAD: &[u8] = &[b'x'; 400];
const ECHO: &str = "bench/echo";

pub async fn run(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(c) requests on live connections");
    let Sizes { rounds, live, requests, at_once, .. } = *sizes;
    let service = world.serve("live.redb", Setup::PLAIN).await?;
    let mut sessions = Vec::new();
    let mut firsts = Vec::new();
    for _ in 0..rounds {
        let opened = open(world.fresh_devices(live)?, service.address, at_once, None).await?;
        let (round, opened) = ask_once(&service, opened, REGISTER, b"{}").await?;
        firsts.push(round);
        sessions = opened;
    }
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value));
    let what = format!("first registrations of {live} live sessions at once, durable");
    report.budgeted("live.firstRate", what, of(&firsts, Round::rate), "/s", Budget::AtLeast(10_000.0, None));
    report.figure("live.firstCpu", "server CPU for one of them", of(&firsts, Round::server_micros), "us");
    report.figure("live.firstP99", "p99", of(&firsts, |round| round.percentile(99)) / 1e3, "ms");

    let mut sixteen = sessions.split_off(sessions.len().saturating_sub(16));
    drop(sessions);
    let mut one = vec![sixteen.pop().context("at least one session")?];
    sixteen.extend(open(world.fresh_devices(1)?, service.address, 1, None).await?);
    ask_often(&service, &mut sixteen, Doing::Ask(REGISTER), 16).await?;
    let mut looked_up = (Vec::new(), Vec::new());
    let mut registered = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        looked_up.0.push(ask_often(&service, &mut one, Doing::Ask(STATUS), requests / 4).await?);
        registered.0.push(ask_often(&service, &mut one, Doing::Ask(REGISTER), requests / 4).await?);
        looked_up.1.push(ask_often(&service, &mut sixteen, Doing::Ask(STATUS), requests).await?);
        registered.1.push(ask_often(&service, &mut sixteen, Doing::Ask(REGISTER), requests).await?);
    }
    let (alone, together) = (Budget::AtMost(50.0, None), Budget::AtMost(15.0, None));
    for (ids, what, rounds, budget) in [
        (
            ["live.lookup1", "live.lookup1Rate", "live.lookup1P50", "live.lookup1P99"],
            "look-ups, one at a time",
            &looked_up.0,
            alone,
        ),
        (
            ["live.again1", "live.again1Rate", "live.again1P50", "live.again1P99"],
            "unchanged re-registrations, one at a time",
            &registered.0,
            alone,
        ),
        (
            ["live.lookup16", "live.lookup16Rate", "live.lookup16P50", "live.lookup16P99"],
            "look-ups, 16 connections",
            &looked_up.1,
            together,
        ),
        (
            ["live.again16", "live.again16Rate", "live.again16P50", "live.again16P99"],
            "unchanged re-registrations, 16 connections",
            &registered.1,
            together,
        ),
    ] {
        let [cpu, rate, p50, p99] = ids;
        report.budgeted(cpu, format!("{what}: server CPU for one"), of(rounds, Round::server_micros), "us", budget);
        report.figure(rate, format!("{what}: rate"), of(rounds, Round::rate), "/s");
        report.figure(p50, format!("{what}: p50"), of(rounds, |round| round.percentile(50)), "us");
        report.figure(p99, format!("{what}: p99"), of(rounds, |round| round.percentile(99)), "us");
    }
    report.figure(
        "live.client16",
        "client CPU for a look-up, 16 connections",
        of(&looked_up.1, Round::client_micros),
        "us",
    );

    if let Some(broker) = mosquitto::start(world).await? {
        // Each alone on its topic: all have the same name for it, so one session echoes at a time to itself.
        let mut one = open(world.fresh_devices(1)?, broker.address, 1, Some(&[ECHO])).await?;
        let mut echoes = Vec::new();
        for _ in 0..rounds {
            echoes.push(ask_often(&broker, &mut one, Doing::Echo(ECHO), requests / 4).await?);
        }
        report.figure(
            "live.mosquittoEcho1",
            "for comparison: mosquitto echoes 400 bytes, one at a time",
            of(&echoes, Round::server_micros),
            "us",
        );
    }
    Ok(())
}
