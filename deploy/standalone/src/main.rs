//! The single binary: data plane and control plane in one process, with nothing between them but
//! function calls.

mod cli;
mod greeting;
mod init_provider;
mod serve;
mod settings;
mod version;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};
use ferryd_domain::Fault;
use ferryd_runtime::{background, terminal};

fn main() -> ExitCode {
    // The first one that is installed counts; there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            terminal::say(format_args!("ferryd: {fault}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Serve(flags) => background::run(serve::run(flags)),
        Command::InitProvider(flags) => background::run(init_provider::run(flags)),
    }
}
