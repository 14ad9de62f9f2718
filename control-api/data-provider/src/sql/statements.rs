//! Every statement of the provider, made once for a dialect and a table.

use std::sync::Arc;

use super::{Dialect, TableName};

/// The columns of an account, in the order in which `rows` reads them by name.
const COLUMNS: &str = "u.id, u.username, u.password, u.public_keys, u.home_dir, u.uid, u.gid, \
    u.max_sessions, u.quota_size, u.quota_files, u.permissions, u.used_quota_size, \
    u.used_quota_files, u.last_quota_update, u.upload_bandwidth, u.download_bandwidth, \
    u.expiration_date, u.last_login, u.status, u.filters, u.filesystem, u.virtual_folders";

/// The largest counter: small enough that adding a change to it cannot overflow.
pub(crate) const MAX_COUNTER: i64 = 1 << 62;

/// The texts of the statements.
pub(crate) struct Statements {
    pub(crate) check: Arc<str>,
    pub(crate) by_name: Arc<str>,
    pub(crate) by_id: Arc<str>,
    pub(crate) ascending: Arc<str>,
    pub(crate) descending: Arc<str>,
    pub(crate) insert: Arc<str>,
    pub(crate) update: Arc<str>,
    pub(crate) delete: Arc<str>,
    pub(crate) touch: Arc<str>,
    pub(crate) usage: Arc<str>,
    pub(crate) add_usage: Arc<str>,
    pub(crate) set_usage: Arc<str>,
}

impl Statements {
    pub(crate) fn new(dialect: Dialect, users: &TableName) -> Self {
        let text = |template: &str| dialect.statement(template, users);
        Self {
            check: text("SELECT id FROM {users} LIMIT 1"),
            by_name: text(&format!("SELECT {COLUMNS} FROM {{users}} u WHERE u.username = ?")),
            by_id: text(&format!("SELECT {COLUMNS} FROM {{users}} u WHERE u.id = ?")),
            ascending: text(&page("ASC")),
            descending: text(&page("DESC")),
            insert: text(INSERT),
            update: text(UPDATE),
            delete: text("DELETE FROM {users} WHERE id = ?"),
            touch: text(
                "UPDATE {users} SET last_login = {max}(COALESCE(last_login, 0), ?) \
                 WHERE username = ?",
            ),
            usage: text("SELECT used_quota_size, used_quota_files FROM {users} WHERE username = ?"),
            add_usage: text(ADD_USAGE),
            set_usage: text(
                "UPDATE {users} SET used_quota_size = ?, used_quota_files = ?, \
                 last_quota_update = ? WHERE username = ?",
            ),
        }
    }
}

/// The inner query walks the index of names alone, so that far pages cost no row look-ups.
fn page(order: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM {{users}} u \
         JOIN (SELECT id FROM {{users}} ORDER BY username {order} LIMIT ? OFFSET ?) p \
         ON p.id = u.id ORDER BY u.username {order}"
    )
}

const INSERT: &str = "INSERT INTO {users} (username, password, public_keys, home_dir, uid, gid, \
    max_sessions, quota_size, quota_files, permissions, upload_bandwidth, download_bandwidth, \
    expiration_date, status, filters, filesystem, virtual_folders, used_quota_size, \
    used_quota_files, last_quota_update, last_login) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const UPDATE: &str = "UPDATE {users} SET password = ?, public_keys = ?, home_dir = ?, uid = ?, \
    gid = ?, max_sessions = ?, quota_size = ?, quota_files = ?, permissions = ?, \
    upload_bandwidth = ?, download_bandwidth = ?, expiration_date = ?, status = ?, filters = ?, \
    filesystem = ?, virtual_folders = ? WHERE id = ?";

const ADD_USAGE: &str = "UPDATE {users} SET \
    used_quota_size = {min}(4611686018427387904, {max}(0, used_quota_size + ?)), \
    used_quota_files = {min}(4611686018427387904, {max}(0, used_quota_files + ?)), \
    last_quota_update = ? WHERE username = ?";
