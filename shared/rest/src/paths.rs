//! Where the resources are.

/// In front of everything but `/metrics`.
pub const BASE: &str = "/api/v1";
/// Version of the server.
pub const VERSION: &str = "/api/v1/version";
/// Whether the data provider answers.
pub const PROVIDER_STATUS: &str = "/api/v1/providerstatus";
/// Connections.
pub const CONNECTIONS: &str = "/api/v1/connection";
/// One connection.
pub const CONNECTION: &str = "/api/v1/connection/{id}";
/// Quota scans.
pub const QUOTA_SCANS: &str = "/api/v1/quota_scan";
/// Users.
pub const USERS: &str = "/api/v1/user";
/// One user.
pub const USER: &str = "/api/v1/user/{id}";
/// Writes a backup; changes things by GET, as it always did.
pub const DUMP_DATA: &str = "/api/v1/dumpdata";
/// Reads a backup; changes things by GET, as it always did.
pub const LOAD_DATA: &str = "/api/v1/loaddata";
/// Writes a backup.
pub const BACKUP: &str = "/api/v1/backup";
/// Reads a backup.
pub const RESTORE: &str = "/api/v1/restore";
/// Metrics for Prometheus.
pub const METRICS: &str = "/metrics";
/// The schema of the API.
pub const OPENAPI: &str = "/openapi.yaml";
/// The first page of the web admin.
pub const WEB_USERS: &str = "/web/users";
/// Start of the web admin.
pub const WEB: &str = "/web";

/// Every path and method that the API answers, for the router and for the test of its schema.
pub const ROUTES: [(&str, &[&str]); 13] = [
    (VERSION, &["GET"]),
    (PROVIDER_STATUS, &["GET"]),
    (CONNECTIONS, &["GET"]),
    (CONNECTION, &["DELETE"]),
    (QUOTA_SCANS, &["GET", "POST"]),
    (USERS, &["GET", "POST"]),
    (USER, &["GET", "PUT", "DELETE"]),
    (DUMP_DATA, &["GET"]),
    (LOAD_DATA, &["GET"]),
    (BACKUP, &["POST"]),
    (RESTORE, &["POST"]),
    (METRICS, &["GET"]),
    (OPENAPI, &["GET"]),
];

/// Returns the path of a user.
pub fn user(id: i64) -> String {
    format!("{USERS}/{id}")
}

/// Returns the path of a connection. Ids are hexadecimal; others are escaped.
pub fn connection(id: &str) -> String {
    format!("{CONNECTIONS}/{}", escape(id))
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(connection("a/../b?c"), "/api/v1/connection/a%2F..%2Fb%3Fc");
        assert_eq!(user(7), "/api/v1/user/7");
    }
}
