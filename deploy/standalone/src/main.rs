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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(control_threads())
        .enable_all()
        .build()
        .map_err(|error| Fault::failed("the async runtime cannot be started").because(error))?;
    match command {
        // On the threads of the runtime: this one would have to be woken for each connection.
        Command::Serve(flags) => runtime.block_on(async {
            let serving = tokio::spawn(serve::run(flags));
            serving
                .await
                .unwrap_or_else(|error| Err(Fault::internal("serving ended").because(error)))
        }),
        Command::InitProvider(flags) => runtime.block_on(init_provider::run(flags)),
    }
}

/// Threads for everything but connections, which have a thread per core of their own: half as
/// many do, and a call that wakes one thread is cheaper than one that wakes two.
fn control_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}
