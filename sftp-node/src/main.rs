//! The data plane as a program of its own: reads the configuration, connects to a control plane
//! elsewhere, serves SFTP until it is told to stop.

mod split;

use std::process::ExitCode;

use clap::Parser as _;
use ferryd_runtime::{background, program};
use split::cli::{Cli, Command};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    program::run("sftp-node", || match command {
        Command::Serve(flags) => background::run(split::serve::run(flags)),
        Command::Check(flags) => background::run(split::check::run(flags)),
    })
}
