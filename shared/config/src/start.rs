//! What every program does with its configuration at the start: sets the log up and says where
//! the settings come from.

use std::path::Path;

use ferryd_domain::Fault;
use ferryd_runtime::{Findings, terminal};
use ferryd_telemetry::{Compress, LogConfig, LogGuard, LogSettings, Rotation, Verbosity};

use crate::{ConfigOptions, Loaded, LogOptions, ServeFlags};

/// A program that is about to serve: its settings are read, its log is open as long as this lives.
#[derive(Debug)]
pub struct Start<T> {
    /// The settings, with what is odd about them.
    pub loaded: Loaded<T>,
    /// Where they come from.
    pub options: ConfigOptions,
    /// Where the log goes.
    pub log: LogOptions,
    guard: LogGuard,
}

impl ServeFlags {
    /// Reads the settings with `load`, opens the log as its section says and notes there where the
    /// settings come from.
    ///
    /// # Errors
    /// `InvalidInput` for flags, variables and settings that cannot be used; those of the log.
    pub fn start<T>(
        self,
        default_log: &str,
        load: impl FnOnce(&ConfigOptions) -> Result<Loaded<T>, Fault>,
        section: impl FnOnce(&T) -> &LogConfig,
    ) -> Result<Start<T>, Fault> {
        let options = self.config.resolve();
        let log = self.log.resolve(&options, default_log)?;
        let loaded = load(&options)?;
        let guard = ferryd_telemetry::init(&log.settings(section(&loaded.settings)))?;
        loaded.log();
        Ok(Start { loaded, options, log, guard })
    }
}

impl<T> Start<T> {
    /// Runs the server and notes in the log how it ended.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn serve<F>(
        self,
        server: impl FnOnce(Loaded<T>, ConfigOptions, LogOptions) -> F,
    ) -> Result<(), Fault>
    where
        F: Future<Output = Result<(), Fault>>,
    {
        let Self { loaded, options, log, guard } = self;
        let outcome = server(loaded, options, log).await;
        match &outcome {
            Ok(()) => tracing::info!(sender = "service", "stopped"),
            Err(fault) => {
                tracing::error!(sender = "service", error = %fault, "the server has ended");
            }
        }
        drop(guard);
        outcome
    }
}

impl LogOptions {
    /// Returns the settings of the log from these and the section of the configuration.
    pub fn settings(&self, section: &LogConfig) -> LogSettings {
        let compress = if self.compress { Compress::Gzip } else { Compress::No };
        LogSettings {
            file: self.file.clone(),
            rotation: Rotation::new(self.max_size, self.max_backups, self.max_age, compress),
            verbosity: if self.verbose { Verbosity::Verbose } else { Verbosity::Terse },
            format: section.format,
        }
    }
}

impl LogOptions {
    /// Looks whether the log file can be written.
    pub fn check(&self, findings: &mut Findings) {
        if let Some(folder) = self.file.as_deref().and_then(Path::parent) {
            findings.writable_folder("--log-file-path", folder);
        }
    }
}

impl<T> Loaded<T> {
    /// Adds what is odd about the settings.
    pub fn check(&self, findings: &mut Findings) {
        if self.file.is_none() {
            findings.warning("there is no configuration file, defaults are used");
        }
        self.warnings.iter().for_each(|warning| findings.warning(warning));
    }

    /// Tells the log where the settings come from and what is odd about them.
    pub fn log(&self) {
        match &self.file {
            Some(file) => {
                tracing::info!(sender = "config", path = %file.display(), "configuration read");
            }
            None => tracing::info!(sender = "config", "no configuration file, defaults are used"),
        }
        for warning in &self.warnings {
            tracing::warn!(sender = "config", "{warning}");
        }
    }

    /// Tells the terminal what is odd about the settings; a log may be read by nobody.
    pub fn show_warnings(&self) {
        for warning in &self.warnings {
            terminal::say(format_args!("warning: {warning}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_option_of_the_log_arrives() {
        let mut options = LogOptions {
            file: Some(PathBuf::from("x.log")),
            max_size: 1,
            max_backups: 2,
            max_age: 3,
            compress: true,
            verbose: false,
        };
        let settings = options.settings(&LogConfig::default());
        assert_eq!(settings.file, options.file);
        assert_eq!(settings.rotation, Rotation::new(1, 2, 3, Compress::Gzip));
        assert_eq!(settings.verbosity, Verbosity::Terse);
        options.compress = false;
        options.verbose = true;
        let settings = options.settings(&LogConfig::default());
        assert_eq!(settings.rotation, Rotation::new(1, 2, 3, Compress::No));
        assert_eq!(settings.verbosity, Verbosity::Verbose);
    }
}
