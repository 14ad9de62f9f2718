//! The data plane as a program of its own: reads the configuration, connects to a control plane
//! elsewhere, serves SFTP until it is told to stop.

mod split;

use std::process::ExitCode;

use clap::Parser as _;
use ferryd_domain::Fault;
use ferryd_runtime::{background, terminal};
use split::cli::{Cli, Command};

fn main() -> ExitCode {
    // The first one that is installed counts; there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            terminal::say(format_args!("sftp-node: {fault}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Serve(flags) => background::run(split::serve::run(flags)),
    }
}
