//! How long a newcomer waits for `firsthop demo` to show something.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::report::{Budget, Report};
use crate::world::World;

pub fn run(world: &World, cores: &[usize], report: &mut Report) -> anyhow::Result<()> {
    report.section("the demo, 200 devices in one process");
    let mut command = Command::new(world.program());
    command.args(["demo", "--exit", "--port", "0", "--output", "json", "--dir"]).arg(world.path("demo"));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let begun = Instant::now();
    let mut process = crate::process::Process::spawn("firsthop demo", command, cores)?;
    let mut output = String::new();
    let pipe = process.child().stdout.take().context("its output is piped")?;
    std::io::Read::read_to_string(&mut { pipe }, &mut output)?;
    let status = process.child().wait()?;
    let took = begun.elapsed();
    if !status.success() {
        bail!("firsthop demo failed ({status}): {output}");
    }
    let events = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let outcome = events.into_iter().find(|event| event["event"] == "outcome").context("the demo told no outcome")?;
    let first = outcome["secondsToFirstAssigned"].as_f64().context("the demo assigned no device")?;
    report.budgeted("demo.first", "from its start to the first assigned device", first, "s", Budget::AtMost(3.0, None));
    report.figure("demo.whole", "from its start to its end", took.as_secs_f64(), "s");
    Ok(())
}
