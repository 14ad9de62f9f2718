//! The control plane as a program of its own: data provider, logins, REST for administrators,
//! gRPC for the nodes.

mod split;

use std::process::ExitCode;

use clap::Parser as _;
use ferryd_config::ConfigFlags;
use ferryd_domain::Fault;
use ferryd_runtime::program;
use split::cli::{Cli, Command};
use split::{serve, settings};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    program::run("control-api", || run(command))
}

fn run(command: Command) -> Result<(), Fault> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Fault::failed("the async runtime cannot be started").because(error))?;
    match command {
        Command::Serve(flags) => runtime.block_on(serve::run(flags)),
        Command::Check(flags) => runtime.block_on(split::check::run(flags)),
        Command::InitProvider(flags) => runtime.block_on(init_provider(flags)),
    }
}

async fn init_provider(flags: ConfigFlags) -> Result<(), Fault> {
    let options = flags.resolve();
    let loaded = settings::load(&options)?;
    loaded.show_warnings();
    control_api::init_provider(loaded.settings.data_provider, &options.config_dir).await
}
