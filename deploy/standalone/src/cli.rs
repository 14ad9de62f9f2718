//! The command line: `serve`, `initprovider`, help and version.

use clap::{ArgAction, Parser, Subcommand};
use ferryd_config::{ConfigFlags, ServeFlags};

use crate::version;

/// SFTP server with virtual accounts
#[derive(Debug, Parser)]
#[command(name = "ferryd", version = version::TEXT, disable_version_flag = true)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// Print version, commit and build date
    #[arg(short = 'v', visible_short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    }

    #[test]
    fn the_version_text_has_version_commit_and_date() {
        for flag in ["-v", "-V", "--version"] {
            let shown = Cli::try_parse_from(["ferryd", flag]).unwrap_err();
            assert_eq!(shown.exit_code(), 0);
            let text = shown.to_string();
            for part in [version::NUMBER, version::COMMIT, version::BUILD_DATE] {
                assert!(text.contains(part), "{text}");
            }
        }
    }

    #[test]
    fn serve_takes_the_short_flags_and_v_means_verbose_there() {
        let cli = Cli::try_parse_from(["ferryd", "serve", "-c", "x", "-v=false", "-z"]).unwrap();
        let Command::Serve(flags) = cli.command else { panic!("not serve") };
        assert_eq!(flags.log.log_verbose, Some(false));
        assert_eq!(flags.log.log_compress, Some(true));
    }
}
