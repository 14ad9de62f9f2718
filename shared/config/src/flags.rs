//! The flags that every binary has, each also as variable with either prefix; the flag wins.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ferryd_domain::Fault;

use crate::environment::PREFIXES;
use crate::relative_to;

/// Where the configuration is.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFlags {
    /// Folder of the configuration; relative paths in it count from here
    /// [default: .] [env: FERRYD_CONFIG_DIR]
    #[arg(short = 'c', long, value_name = "DIR", allow_hyphen_values = true)]
    pub config_dir: Option<OsString>,
    /// Name of the configuration file, without extension
    /// [default: ferryd] [env: FERRYD_CONFIG_FILE]
    #[arg(short = 'f', long, value_name = "NAME")]
    pub config_file: Option<String>,
}

/// Where the configuration is, after flags and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigOptions {
    /// Relative paths in the configuration count from here.
    pub config_dir: PathBuf,
    /// A name without extension.
    pub config_file: String,
}

impl Default for ConfigOptions {
    fn default() -> Self {
        Self { config_dir: PathBuf::from("."), config_file: "ferryd".to_owned() }
    }
}

impl ConfigFlags {
    /// Returns what the flags and the environment of this process say.
    pub fn resolve(self) -> ConfigOptions {
        self.resolve_with(&from_process)
    }

    fn resolve_with(self, environment: &dyn Fn(&str) -> Option<String>) -> ConfigOptions {
        let defaults = ConfigOptions::default();
        let dir =
            self.config_dir.or_else(|| look_up("CONFIG_DIR", environment).map(OsString::from));
        let file = self.config_file.or_else(|| look_up("CONFIG_FILE", environment));
        ConfigOptions {
            config_dir: dir
                .filter(|dir| !dir.is_empty())
                .map_or(defaults.config_dir, PathBuf::from),
            config_file: file.filter(|file| !file.is_empty()).unwrap_or(defaults.config_file),
        }
    }
}

/// Where the log goes and what it holds.
#[derive(Args, Clone, Debug, Default)]
pub struct LogFlags {
    /// Log file, relative to the config dir; empty for standard output
    /// [default: ferryd.log] [env: FERRYD_LOG_FILE_PATH]
    #[arg(short = 'l', long, value_name = "FILE")]
    pub log_file_path: Option<OsString>,
    /// Megabytes of a log file before it is replaced
    /// [default: 10] [env: FERRYD_LOG_MAX_SIZE]
    #[arg(short = 's', long, value_name = "MB")]
    pub log_max_size: Option<u64>,
    /// Old log files that are kept, 0 for all
    /// [default: 5] [env: FERRYD_LOG_MAX_BACKUPS]
    #[arg(short = 'b', long, value_name = "FILES")]
    pub log_max_backups: Option<u64>,
    /// Days that old log files are kept, 0 for ever
    /// [default: 28] [env: FERRYD_LOG_MAX_AGE]
    #[arg(short = 'a', long, value_name = "DAYS")]
    pub log_max_age: Option<u64>,
    /// Compress old log files
    /// [default: false] [env: FERRYD_LOG_COMPRESS]
    #[arg(short = 'z', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = truth)]
    pub log_compress: Option<bool>,
    /// Write debug lines
    /// [default: true] [env: FERRYD_LOG_VERBOSE]
    #[arg(short = 'v', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = truth)]
    pub log_verbose: Option<bool>,
}

/// The flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeFlags {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// Where the log goes.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Where the log goes and what it holds, after flags and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The file; `None` for standard output.
    pub file: Option<PathBuf>,
    /// Megabytes of a full file.
    pub max_size: u64,
    /// Old files that stay, 0 for all.
    pub max_backups: u64,
    /// Days that old files stay, 0 for ever.
    pub max_age: u64,
    /// Whether old files are compressed.
    pub compress: bool,
    /// Whether debug lines are written.
    pub verbose: bool,
}

impl LogFlags {
    /// Returns what the flags and the environment of this process say. A relative file counts
    /// from the config dir.
    ///
    /// # Errors
    /// `InvalidInput`, naming the variable whose value has a wrong form.
    pub fn resolve(self, config: &ConfigOptions, default_file: &str) -> Result<LogOptions, Fault> {
        self.resolve_with(config, default_file, &from_process)
    }

    fn resolve_with(
        self,
        config: &ConfigOptions,
        default_file: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<LogOptions, Fault> {
        let file = self
            .log_file_path
            .or_else(|| look_up("LOG_FILE_PATH", environment).map(OsString::from))
            .map_or_else(|| PathBuf::from(default_file), PathBuf::from);
        let file = (!file.as_os_str().is_empty()).then(|| relative_to(&config.config_dir, file));
        let number = |flag: Option<u64>, name: &str, default: u64| match flag {
            Some(value) => Ok(value),
            None => parsed(name, environment, number).map(|v| v.unwrap_or(default)),
        };
        let choice = |flag: Option<bool>, name: &str, default: bool| match flag {
            Some(value) => Ok(value),
            None => parsed(name, environment, truth).map(|v| v.unwrap_or(default)),
        };
        Ok(LogOptions {
            file,
            max_size: number(self.log_max_size, "LOG_MAX_SIZE", 10)?,
            max_backups: number(self.log_max_backups, "LOG_MAX_BACKUPS", 5)?,
            max_age: number(self.log_max_age, "LOG_MAX_AGE", 28)?,
            compress: choice(self.log_compress, "LOG_COMPRESS", false)?,
            verbose: choice(self.log_verbose, "LOG_VERBOSE", true)?,
        })
    }
}

/// Returns a variable of this process with either prefix, for flags that only one binary has.
pub fn flag_from_environment(name: &str) -> Option<String> {
    look_up(name, &from_process)
}

fn from_process(variable: &str) -> Option<String> {
    std::env::var_os(variable)?.into_string().ok()
}

fn look_up(name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    PREFIXES.iter().rev().find_map(|prefix| environment(&format!("{prefix}{name}")))
}

fn parsed<T>(
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Fault> {
    let Some(text) = look_up(name, environment) else { return Ok(None) };
    parse(&text).map(Some).map_err(|reason| Fault::invalid(format!("variable {name}: {reason}")))
}

fn number(text: &str) -> Result<u64, String> {
    match text.trim() {
        "" => Ok(0),
        digits => u64::from_str(digits).map_err(|_| format!("expected a number, found {text:?}")),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    crate::adopt::truth(text).ok_or_else(|| format!("expected true or false, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: ConfigFlags,
        #[command(flatten)]
        log: LogFlags,
    }

    fn options(arguments: &[&str], variables: &[(&str, &str)]) -> (ConfigOptions, LogOptions) {
        let command = Command::parse_from([&["x"], arguments].concat());
        let environment = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let config = command.config.resolve_with(&environment);
        let log = command.log.resolve_with(&config, "ferryd.log", &environment).unwrap();
        (config, log)
    }

    #[test]
    fn without_flags_the_documented_defaults_hold() {
        let (config, log) = options(&[], &[]);
        assert_eq!(config, ConfigOptions::default());
        assert_eq!(log.file.as_deref(), Some(std::path::Path::new("ferryd.log")));
        assert_eq!((log.max_size, log.max_backups, log.max_age), (10, 5, 28));
        assert_eq!((log.compress, log.verbose), (false, true));
    }

    #[test]
    fn every_short_flag_is_understood() {
        let arguments = [
            "-c", "/etc/x", "-f", "y", "-l", "z.log", "-s", "1", "-b", "2", "-a", "3", "-z", "-v=0",
        ];
        let (config, log) = options(&arguments, &[]);
        assert_eq!(config.config_file, "y");
        assert_eq!(log.file.as_deref(), Some(std::path::Path::new("/etc/x/z.log")));
        assert_eq!((log.max_size, log.max_backups, log.max_age), (1, 2, 3));
        assert_eq!((log.compress, log.verbose), (true, false));
    }

    #[test]
    fn a_flag_wins_over_our_variable_and_that_over_the_older_one() {
        let variables = [
            ("SFTPGO_LOG_MAX_SIZE", "1"),
            ("FERRYD_LOG_MAX_SIZE", "2"),
            ("SFTPGO_LOG_VERBOSE", "false"),
            ("SFTPGO_CONFIG_DIR", "/old"),
        ];
        let (config, log) = options(&[], &variables);
        assert_eq!(config.config_dir, PathBuf::from("/old"));
        assert_eq!((log.max_size, log.verbose), (2, false));
        let (_, log) = options(&["--log-max-size=3", "--log-verbose=true"], &variables);
        assert_eq!((log.max_size, log.verbose), (3, true));
    }

    #[test]
    fn an_empty_log_file_means_standard_output() {
        assert_eq!(options(&["-l", ""], &[]).1.file, None);
        assert_eq!(options(&[], &[("FERRYD_LOG_FILE_PATH", "")]).1.file, None);
    }
}
