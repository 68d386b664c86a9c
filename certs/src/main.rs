//! `firsthop-certs`: makes a development PKI from the command line.

mod arguments;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::run(arguments::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("firsthop-certs: {error:#}");
            ExitCode::FAILURE
        }
    }
}
