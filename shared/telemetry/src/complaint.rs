//! Troubles of the log itself, which the log cannot tell.

use std::fmt::Display;

use ferryd_runtime::terminal;

/// Says on standard error that something fails: once, until it works again.
#[derive(Debug)]
pub(crate) struct Complaint {
    about: &'static str,
    said: bool,
}

impl Complaint {
    /// Has nothing to say yet.
    pub(crate) fn about(about: &'static str) -> Self {
        Self { about, said: false }
    }

    /// Takes how it went this time.
    pub(crate) fn note(&mut self, result: Result<(), impl Display>) {
        match result {
            Ok(()) => self.said = false,
            Err(error) if !self.said => {
                self.said = true;
                terminal::say(format_args!("{}: {error}", self.about));
            }
            Err(_) => {}
        }
    }
}
