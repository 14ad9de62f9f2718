//! What the log and the metrics say of telling events: which event, to whom, with what success.

use std::fmt;

use ferryd_domain::{AccountEvent, Fault, FileEvent, RawPath};
use ferryd_telemetry::metrics::{self, ActionKind, Outcome};
use ferryd_telemetry::records::{self, ActionRecord};
use reqwest::Url;

/// An event, as the log names it.
pub(super) trait Event: fmt::Debug + Send + Sync + 'static {
    /// Returns the id.
    fn id(&self) -> &str;
    /// Returns the name of what happened.
    fn action(&self) -> &'static str;
    /// Returns the account that it is about.
    fn username(&self) -> &str;
    /// Returns the path and, of a rename, the new one.
    fn paths(&self) -> Option<(&RawPath, &RawPath)>;
}

/// Who is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'a> {
    /// A program, by its path.
    Program(&'a str),
    /// An HTTP service, by host and port: the rest of its address may hold secrets.
    Host(&'a str),
}

impl Destination<'_> {
    const fn kind(self) -> ActionKind {
        match self {
            Self::Program(_) => ActionKind::Command,
            Self::Host(_) => ActionKind::Notification,
        }
    }
}

/// Why an attempt has failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service answered with this status.
    Status(u16),
    /// There was no answer, or the program failed.
    Fault(Fault),
}

/// Counts an attempt that went well.
pub(super) fn succeeded(destination: Destination<'_>) {
    metrics::action_finished(destination.kind(), Outcome::Ok);
}

/// Logs and counts an attempt that failed; the first one of an event has the number 1.
pub(super) fn failed(
    event: &impl Event,
    destination: Destination<'_>,
    attempt: u32,
    failure: &Failure,
) {
    metrics::action_finished(destination.kind(), Outcome::Failed);
    let (status, error) = match failure {
        Failure::Status(status) => (Some(*status), "the answer is no success".to_owned()),
        Failure::Fault(fault) => (None, fault.to_string()),
    };
    records::action(&ActionRecord {
        attempt,
        status,
        error: &error,
        ..record(event, destination, "an action failed")
    });
}

/// Logs and counts an event that is not told.
pub(super) fn log_dropped(event: &impl Event, destination: Destination<'_>, message: &'static str) {
    metrics::action_event_dropped();
    records::action(&record(event, destination, message));
}

fn record<'a>(
    event: &'a impl Event,
    destination: Destination<'a>,
    message: &'static str,
) -> ActionRecord<'a> {
    let (file_path, target_path) = event.paths().unzip();
    let (program, host) = match destination {
        Destination::Program(program) => (program, ""),
        Destination::Host(host) => ("", host),
    };
    ActionRecord {
        message,
        event: event.id(),
        action: event.action(),
        username: event.username(),
        file_path: file_path.map(RawPath::as_bytes).unwrap_or_default(),
        target_path: target_path.map(RawPath::as_bytes).unwrap_or_default(),
        program,
        host,
        attempt: 0,
        status: None,
        error: "",
    }
}

/// Returns host and port of an address: neither user nor password, path nor query.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Event for FileEvent {
    fn id(&self) -> &str {
        &self.id.0
    }

    fn action(&self) -> &'static str {
        self.action.name()
    }

    fn username(&self) -> &str {
        self.username.as_str()
    }

    fn paths(&self) -> Option<(&RawPath, &RawPath)> {
        Some((&self.path, &self.target_path))
    }
}

impl Event for AccountEvent {
    fn id(&self) -> &str {
        &self.id.0
    }

    fn action(&self) -> &'static str {
        self.action.name()
    }

    fn username(&self) -> &str {
        self.account.username.as_str()
    }

    fn paths(&self) -> Option<(&RawPath, &RawPath)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("https://user:pass@hooks.example/a/token?key=1", "hooks.example"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://[2001:db8::1]:8080/#x", "[2001:db8::1]:8080"),
        ] {
            assert_eq!(host_of(&url.parse().unwrap()), shown);
        }
    }
}
