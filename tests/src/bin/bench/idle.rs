//! Memory of a session that does nothing.

use std::time::Duration;

use crate::live::open;
use crate::mosquitto;
use crate::report::{Budget, Report};
use crate::round::settled;
use crate::sizes::Sizes;
use crate::world::{Server, Setup, World};

/// Allocators give memory of the handshakes back some time later.
const SETTLING: Duration = Duration::from_secs(3);

/// Bytes of resident memory for each of so many idle sessions, which subscribe to these topics.
async fn per_session(
    world: &World,
    server: &Server,
    sessions: usize,
    at_once: usize,
    filters: &'static [&'static str],
) -> anyhow::Result<f64> {
    // Code pages and buffers that are needed once are not a session's.
    let warm = open(world.fresh_devices(at_once)?, server.address, at_once, Some(filters)).await?;
    for session in warm {
        session.leave().await?;
    }
    settled(&server.process).await?;
    let before = server.process.resident()?;
    let opened = open(world.fresh_devices(sessions)?, server.address, at_once, Some(filters)).await?;
    settled(&server.process).await?;
    tokio::time::sleep(SETTLING).await;
    let after = server.process.resident()?;
    let count = opened.len();
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

pub async fn run(world: &World, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    report.section("(d) idle sessions with a subscription to their answers");
    let Sizes { idle, at_once, .. } = *sizes;
    let service = world.serve("idle.redb", Setup::PLAIN).await?;
    let ours = per_session(world, &service, idle, at_once, &["$provisioning/register/+"]).await?;
    drop(service);
    report.budgeted(
        "idle.memory",
        format!("memory for each of {idle} sessions"),
        ours / 1e3,
        "kB",
        Budget::AtMost(18.0, None),
    );
    match mosquitto::start(world).await? {
        Some(broker) => {
            let theirs = per_session(world, &broker, idle, at_once, &["bench/+"]).await?;
            report.figure("idle.mosquitto", "mosquitto in the same run", theirs / 1e3, "kB");
            report.budgeted("idle.toMosquitto", "ours to mosquitto's", ours / theirs, "x", Budget::AtMost(1.0, None));
        }
        None => report.fact("mosquitto", "not installed (Debian package mosquitto); not compared"),
    }
    Ok(())
}
