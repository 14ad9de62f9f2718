//! A row as an account. Lists and objects are JSON text; NULL or unparsable text counts as empty,
//! and `permissions` may be the plain list of before 0.9.5.

use ferryd_domain::{Account, Fault, Secret, Username};
use serde::de::DeserializeOwned;
use sqlx::Row;

use super::Db;
use super::fault::unavailable;
use crate::dump::parse_permissions;

type DbRow = <Db as sqlx::Database>::Row;

/// Reads an account.
///
/// # Errors
/// `Unavailable` when a column is missing or has a type that cannot be read.
pub(crate) fn account(row: &DbRow) -> Result<Account, Fault> {
    read(row).map_err(unavailable("read user"))
}

fn read(row: &DbRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: row.try_get("id")?,
        status: small(row, "status")?,
        username: Username::stored(text(row, "username")?),
        expiration_date: number(row, "expiration_date")?,
        password: Secret::new(text(row, "password")?),
        public_keys: json(row, "public_keys")?,
        home_dir: text(row, "home_dir")?,
        virtual_folders: json(row, "virtual_folders")?,
        uid: small(row, "uid")?,
        gid: small(row, "gid")?,
        max_sessions: small(row, "max_sessions")?,
        quota_size: number(row, "quota_size")?,
        quota_files: number(row, "quota_files")?,
        permissions: parse_permissions(&json(row, "permissions")?),
        used_quota_size: number(row, "used_quota_size")?,
        used_quota_files: number(row, "used_quota_files")?,
        last_quota_update: number(row, "last_quota_update")?,
        upload_bandwidth: number(row, "upload_bandwidth")?,
        download_bandwidth: number(row, "download_bandwidth")?,
        last_login: number(row, "last_login")?,
        filters: json(row, "filters")?,
        filesystem: json(row, "filesystem")?,
    })
}

fn text(row: &DbRow, column: &str) -> Result<String, sqlx::Error> {
    Ok(row.try_get::<Option<String>, _>(column)?.unwrap_or_default())
}

fn number(row: &DbRow, column: &str) -> Result<i64, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.unwrap_or_default())
}

/// Numbers outside of the range were put there by hand; the nearest one keeps their meaning.
fn small(row: &DbRow, column: &str) -> Result<i32, sqlx::Error> {
    let wide = number(row, column)?.clamp(i32::MIN.into(), i32::MAX.into());
    Ok(i32::try_from(wide).unwrap_or_default())
}

fn json<T: DeserializeOwned + Default>(row: &DbRow, column: &str) -> Result<T, sqlx::Error> {
    let text = row.try_get::<Option<String>, _>(column)?.unwrap_or_default();
    // `null` inside a column counts as empty as well, hence the option.
    Ok(serde_json::from_str::<Option<T>>(&text).ok().flatten().unwrap_or_default())
}

/// Writes a list or object for its column.
///
/// # Errors
/// `Internal`: the types of an account can always be written.
pub(crate) fn json_text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::internal("write JSON").because(error))
}
