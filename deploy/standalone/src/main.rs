//! The single binary: data plane and control plane in one process, with nothing between them but
//! function calls.

mod check;
mod cli;
mod greeting;
mod serve;
mod settings;
mod version;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};
use ferryd_config::ConfigFlags;
use ferryd_domain::Fault;
use ferryd_runtime::{background, program};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    program::run("ferryd", || match command {
        Command::Serve(flags) => background::run(serve::run(flags)),
        Command::Check(flags) => background::run(check::run(flags)),
        Command::InitProvider(flags) => background::run(init_provider(flags)),
    })
}

async fn init_provider(flags: ConfigFlags) -> Result<(), Fault> {
    let options = flags.resolve();
    let loaded = settings::load(&options)?;
    loaded.show_warnings();
    control_api::init_provider(loaded.settings.data_provider, &options.config_dir).await
}
