//! The metrics of a process. Dashboards know these names; they never change.

mod cpu_time;
mod registry;
mod runtime;

use ferryd_domain::policy::LoginMethod;
use prometheus::{Encoder as _, IntCounter, TextEncoder};
use registry::{Counters, LoginCounters, StorageCounters, TransferCounters};

pub use crate::{Direction, Outcome};

/// Returns everything in the text format of Prometheus.
pub fn render() -> String {
    let families = registry::gather();
    let mut out = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&families, &mut out) {
        tracing::error!(sender = "metrics", %error, "metrics cannot be rendered");
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Counts a transfer of a user; the bytes of a broken one count as well.
pub fn transfer_finished(direction: Direction, bytes: u64, outcome: Outcome) {
    with(|counters| count_transfer(&counters.transfers, direction, bytes, outcome));
}

/// Counts an SSH command (an scp command, too).
pub fn ssh_command_finished(outcome: Outcome) {
    with(|counters| counters.ssh_commands.finished(outcome));
}

/// Counts an attempt; a key counts once per connection, when it is first offered.
pub fn login_attempt(method: LoginMethod) {
    with(|counters| both(counters, method, |logins| logins.attempts.inc()));
}

/// Counts how an attempt ended.
pub fn login_result(method: LoginMethod, outcome: Outcome) {
    with(|counters| {
        both(counters, method, |logins| match outcome {
            Outcome::Ok => logins.ok.inc(),
            Outcome::Failed => logins.ko.inc(),
        });
    });
}

/// Counts a password that was refused unchecked, because too many wait.
pub fn password_check_refused() {
    with(|counters| counters.password_checks_refused.inc());
}

/// Counts a connection that the connection list shows from now on.
pub fn connection_opened() {
    with(|counters| counters.active_connections.inc());
}

/// Counts a connection that has left the connection list.
pub fn connection_closed() {
    with(|counters| counters.active_connections.dec());
}

/// Sets how many connections the connection list shows.
pub fn set_active_connections(connections: i64) {
    with(|counters| counters.active_connections.set(connections));
}

/// Says whether the data provider answers.
pub fn set_provider_available(available: Outcome) {
    let value = match available {
        Outcome::Ok => 1,
        Outcome::Failed => 0,
    };
    with(|counters| counters.provider_available.set(value));
}

/// Counts an HTTP request by its status.
pub fn http_request(status: u16) {
    with(|counters| {
        counters.http.total.inc();
        match status {
            200..=299 => counters.http.ok.inc(),
            400..=499 => counters.http.client_errors.inc(),
            500.. => counters.http.server_errors.inc(),
            _ => {}
        }
    });
}

/// Who is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// A program.
    Command,
    /// An HTTP service.
    Notification,
}

/// Counts an attempt to tell of an event.
pub fn action_finished(kind: ActionKind, outcome: Outcome) {
    with(|counters| match kind {
        ActionKind::Command => counters.action_commands.finished(outcome),
        ActionKind::Notification => counters.action_notifications.finished(outcome),
    });
}

/// Counts an event that an action is not told of.
pub fn action_event_dropped() {
    with(|counters| counters.action_events_dropped.inc());
}

/// A cloud storage whose calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudStorage {
    /// S3 and what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
}

/// A call to a cloud storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudCall {
    /// A listing.
    ListObjects,
    /// A copy.
    CopyObject,
    /// A removal.
    DeleteObject,
    /// A look at the bucket.
    HeadBucket,
}

/// Counts the transfer of one object.
pub fn cloud_transfer_finished(
    storage: CloudStorage,
    direction: Direction,
    bytes: u64,
    outcome: Outcome,
) {
    with(|counters| {
        count_transfer(&cloud(counters, storage).transfers, direction, bytes, outcome);
    });
}

/// Counts a call; a failed one counts as an error only.
pub fn cloud_call_finished(storage: CloudStorage, call: CloudCall, outcome: Outcome) {
    with(|counters| {
        let storage = cloud(counters, storage);
        let counted = match call {
            CloudCall::ListObjects => &storage.list_objects,
            CloudCall::CopyObject => &storage.copy_object,
            CloudCall::DeleteObject => &storage.delete_object,
            CloudCall::HeadBucket => &storage.head_bucket,
        };
        counted.finished(outcome);
    });
}

/// A registry that cannot be built is a defect that the tests find; nothing else stops for it.
fn with(change: impl FnOnce(&Counters)) {
    if let Some(counters) = registry::counters() {
        change(counters);
    }
}

fn count_transfer(counters: &TransferCounters, direction: Direction, bytes: u64, outcome: Outcome) {
    let (counted, size): (_, &IntCounter) = match direction {
        Direction::Upload => (&counters.uploads, &counters.upload_size),
        Direction::Download => (&counters.downloads, &counters.download_size),
    };
    counted.finished(outcome);
    size.inc_by(bytes);
}

fn both(counters: &Counters, method: LoginMethod, change: impl Fn(&LoginCounters)) {
    change(&counters.logins);
    change(match method {
        LoginMethod::Password => &counters.password_logins,
        LoginMethod::PublicKey => &counters.public_key_logins,
        LoginMethod::KeyboardInteractive => &counters.keyboard_interactive_logins,
    });
}

fn cloud(counters: &Counters, storage: CloudStorage) -> &StorageCounters {
    match storage {
        CloudStorage::S3 => &counters.s3,
        CloudStorage::Gcs => &counters.gcs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("{name} is missing in:\n{text}"))
            .parse()
            .unwrap()
    }

    const NAMES: [&str; 36] = [
        "action_commands_total",
        "action_command_errors_total",
        "action_notifications_total",
        "action_notification_errors_total",
        "action_events_dropped_total",
        "dataprovider_availability",
        "active_connections",
        "uploads_total",
        "downloads_total",
        "upload_errors_total",
        "download_errors_total",
        "upload_size",
        "download_size",
        "ssh_commands_total",
        "ssh_command_errors_total",
        "login_attempts_total",
        "login_ok_total",
        "login_ko_total",
        "password_login_attempts_total",
        "password_login_ok_total",
        "password_login_ko_total",
        "public_key_login_attempts_total",
        "public_key_login_ok_total",
        "public_key_login_ko_total",
        "keyboard_interactive_login_attempts_total",
        "keyboard_interactive_login_ok_total",
        "keyboard_interactive_login_ko_total",
        "http_req_total",
        "http_req_ok_total",
        "http_client_errors_total",
        "http_server_errors_total",
        "s3_uploads_total",
        "s3_list_objects_errors",
        "s3_head_bucket",
        "gcs_download_size",
        "gcs_copy_object_errors",
    ];

    #[test]
    fn every_name_is_there_from_the_start() {
        let text = render();
        for name in NAMES {
            value(&text, &format!("sftpgo_{name}"));
        }
        for name in ["process_open_fds", "process_start_time_seconds", "process_cpu_seconds_total"]
        {
            value(&text, name);
        }
    }

    #[test]
    fn processor_time_has_fractions_of_a_second() {
        let begin = std::time::Instant::now();
        while value(&render(), "process_cpu_seconds_total") == 0.0 {
            assert!(begin.elapsed() < std::time::Duration::from_secs(30), "no time is used");
        }
        let before = value(&render(), "process_cpu_seconds_total");
        let after = value(&render(), "process_cpu_seconds_total");
        assert!(after > before && after - before < 1.0, "{before} {after}");
    }

    #[test]
    fn a_broken_transfer_counts_its_bytes_and_not_itself() {
        let before = render();
        transfer_finished(Direction::Upload, 100, Outcome::Ok);
        transfer_finished(Direction::Upload, 7, Outcome::Failed);
        let after = render();
        let grown = |name: &str| {
            let name = format!("sftpgo_{name}");
            value(&after, &name) - value(&before, &name)
        };
        assert_eq!(grown("uploads_total"), 1.0);
        assert_eq!(grown("upload_errors_total"), 1.0);
        assert_eq!(grown("upload_size"), 107.0);
    }

    #[test]
    fn a_login_counts_in_total_and_by_method() {
        login_attempt(LoginMethod::KeyboardInteractive);
        login_result(LoginMethod::KeyboardInteractive, Outcome::Failed);
        let text = render();
        assert_eq!(value(&text, "sftpgo_keyboard_interactive_login_attempts_total"), 1.0);
        assert_eq!(value(&text, "sftpgo_keyboard_interactive_login_ko_total"), 1.0);
        assert!(value(&text, "sftpgo_login_ko_total") >= 1.0);
    }

    #[test]
    fn a_redirect_counts_as_a_request_only() {
        http_request(301);
        http_request(404);
        let text = render();
        assert_eq!(value(&text, "sftpgo_http_req_total"), 2.0);
        assert_eq!(value(&text, "sftpgo_http_client_errors_total"), 1.0);
        assert_eq!(value(&text, "sftpgo_http_req_ok_total"), 0.0);
    }
}
