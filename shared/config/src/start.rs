//! What every program does with its configuration at the start: sets the log up and says where
//! the settings come from.

use ferryd_runtime::terminal;
use ferryd_telemetry::{Compress, LogConfig, LogSettings, Rotation, Verbosity};

use crate::{Loaded, LogOptions};

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

impl<T> Loaded<T> {
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
