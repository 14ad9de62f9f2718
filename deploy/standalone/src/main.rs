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

fn main() -> ExitCode {
    // The first one that is installed counts; there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("ferryd: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Fault::failed("the async runtime cannot be started").because(error))?;
    match command {
        Command::Serve(flags) => runtime.block_on(serve::run(flags)),
        Command::InitProvider(flags) => runtime.block_on(init_provider::run(flags)),
    }
}
