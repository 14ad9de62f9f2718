//! The command line.

use clap::{ArgAction, Parser, Subcommand};
use ferryd_config::ServeFlags;

/// Serves SFTP for the accounts of a control plane elsewhere
#[derive(Debug, Parser)]
#[command(name = "sftp-node", version, disable_version_flag = true, arg_required_else_help = true)]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["sftp-node", "serve", "-c", "x", "-v=false"]).unwrap();
        let Command::Serve(flags) = cli.command else { panic!("not serve") };
        assert_eq!(flags.log.log_verbose, Some(false));
    }
}
