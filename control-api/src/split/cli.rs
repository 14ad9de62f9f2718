//! The command line.

use clap::{ArgAction, Parser, Subcommand};
use ferryd_config::{ConfigFlags, ServeFlags};

/// Keeps accounts, decides logins and tells SFTP nodes what to do
#[derive(Debug, Parser)]
#[command(
    name = "control-api",
    version,
    disable_version_flag = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Print the version
    #[arg(short = 'v', visible_short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server
    Serve(ServeFlags),
    /// Tell what is wrong with the configuration; takes the flags of serve and changes nothing
    Check(ServeFlags),
    /// Create the tables of the configured data provider
    #[command(name = "initprovider")]
    InitProvider(ConfigFlags),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["control-api", "serve", "-c", "x", "-v=false"]).unwrap();
        let Command::Serve(flags) = cli.command else { panic!("not serve") };
        assert_eq!(flags.log.log_verbose, Some(false));
    }
}
