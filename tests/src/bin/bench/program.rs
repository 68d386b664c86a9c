//! The program that is measured: `firsthop`, built beside the benchmark.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

/// Builds it as this benchmark was built, and says where it is. Started without cargo, the one that lies beside is taken as it is.
pub fn built() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("firsthop");
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        // Both packages, so that dependencies are built with the features they have already.
        command.args(["build", "--quiet", "-p", "firsthop", "-p", "firsthop-agent", "-p", "firsthop-tests"]);
        command.args(["--bin", "firsthop", "--bin", "firsthop-agent"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        // Standard output is the report's.
        let built = command.stdout(std::process::Stdio::null()).status().context("cargo")?;
        if !built.success() {
            bail!("firsthop was not built ({built})");
        }
    }
    if !program.is_file() {
        bail!("{} is not there: run the benchmark with cargo, or name a program with --program", program.display());
    }
    Ok(program)
}
