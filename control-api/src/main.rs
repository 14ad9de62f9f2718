//! The control plane as a program of its own: data provider, logins, REST for administrators,
//! gRPC for the nodes.

mod split;

use std::process::ExitCode;

use clap::Parser as _;
use ferryd_domain::Fault;
use ferryd_runtime::terminal;
use split::cli::{Cli, Command};

fn main() -> ExitCode {
    // The first one that is installed counts; there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            terminal::say(format_args!("control-api: {fault}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Fault::failed("the async runtime cannot be started").because(error))?;
    match command {
        Command::Serve(flags) => runtime.block_on(split::serve::run(flags)),
        Command::InitProvider(flags) => runtime.block_on(split::init_provider::run(flags)),
    }
}
