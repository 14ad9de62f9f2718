//! Brings a database to the current schema, step by step, each step one transaction. The version
//! is kept in `schema_version`, as existing databases have it.

use ferryd_domain::Fault;
use sqlx::{AssertSqlSafe, Row};

use super::fault::unavailable;
use super::{Db, Dialect, TableName};

/// What becomes of a database that is not of the current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// It is brought up to date.
    Upgrade,
    /// It is refused.
    Check,
}

/// The steps; the position in the list plus one is the version after the step.
const SQLITE: [&str; 2] = [
    include_str!("../../migrations/sqlite/0001_users.sql"),
    include_str!("../../migrations/sqlite/0002_virtual_folders.sql"),
];

/// Makes or upgrades the tables. Harmless when they are current.
///
/// # Errors
/// `Unavailable`; `Unsupported` for a database of a newer version.
pub(crate) async fn migrate(
    dialect: Dialect,
    pool: &sqlx::Pool<Db>,
    users: &TableName,
) -> Result<(), Fault> {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE,
    };
    // Another program may be writing for long; a current database needs nothing.
    let mut connection = pool.acquire().await.map_err(unavailable("open schema"))?;
    if version(&mut connection, users).await? == steps.len() {
        return Ok(());
    }
    drop(connection);
    let mut transaction =
        pool.begin_with(dialect.begin_write()).await.map_err(unavailable("open schema"))?;
    let found = version(&mut transaction, users).await?;
    if found > steps.len() {
        return Err(newer(found));
    }
    for (number, step) in steps.iter().enumerate().skip(found) {
        let text = dialect.statement(step, users);
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *transaction)
            .await
            .map_err(unavailable("change schema"))?;
        record(&mut transaction, number + 1).await?;
    }
    transaction.commit().await.map_err(unavailable("change schema"))?;
    if found < steps.len() {
        tracing::info!(sender = dialect.name(), from = found, to = steps.len(), "schema updated");
    }
    Ok(())
}

/// Makes sure that the tables are current and writes nothing.
///
/// # Errors
/// `Unavailable`; `Unsupported` for a database of another version.
pub(crate) async fn check_schema(
    dialect: Dialect,
    pool: &sqlx::Pool<Db>,
    users: &TableName,
) -> Result<(), Fault> {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE.len(),
    };
    let mut connection = pool.acquire().await.map_err(unavailable("open schema"))?;
    match version(&mut connection, users).await? {
        found if found > steps => Err(newer(found)),
        found if found == steps => Ok(()),
        found => Err(Fault::unsupported(format!(
            "the database has the older schema {found} and data_provider.manage_users is 0: \
             run initprovider, or give {} the columns that are missing",
            users.as_str()
        ))),
    }
}

/// Tells whether the tables are older than this program knows them, or missing.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn is_older(
    dialect: Dialect,
    pool: &sqlx::Pool<Db>,
    users: &TableName,
) -> Result<bool, Fault> {
    let steps = match dialect {
        Dialect::Sqlite => SQLITE.len(),
    };
    let mut connection = pool.acquire().await.map_err(unavailable("open schema"))?;
    Ok(version(&mut connection, users).await? < steps)
}

fn newer(found: usize) -> Fault {
    Fault::unsupported(format!(
        "the database has schema {found} and this program knows {} at most: it was used by a newer \
         program (SFTPGo after 0.9.5); name another file, and bring the accounts over with REST",
        SQLITE.len()
    ))
}

/// Returns 0 for a database without the table of users. One that lost only its version, or has
/// another table of users than the one the version was written for, is judged by its columns.
async fn version(
    connection: &mut sqlx::SqliteConnection,
    users: &TableName,
) -> Result<usize, Fault> {
    let columns = sqlx::query("SELECT name FROM pragma_table_info(?)")
        .bind(users.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable("read schema"))?;
    if columns.is_empty() {
        return Ok(0);
    }
    if let Some(recorded) = recorded_version(connection).await?
        && recorded > SQLITE.len()
    {
        return Ok(recorded);
    }
    let has_folders = columns
        .iter()
        .any(|row| row.try_get::<String, _>(0).is_ok_and(|name| name == "virtual_folders"));
    Ok(if has_folders { 2 } else { 1 })
}

async fn recorded_version(connection: &mut sqlx::SqliteConnection) -> Result<Option<usize>, Fault> {
    let table =
        sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'")
            .fetch_optional(&mut *connection)
            .await
            .map_err(unavailable("read schema"))?;
    if table.is_none() {
        return Ok(None);
    }
    let row = sqlx::query("SELECT version FROM schema_version LIMIT 1")
        .fetch_optional(&mut *connection)
        .await
        .map_err(unavailable("read schema"))?;
    Ok(row
        .and_then(|row| row.try_get::<i64, _>(0).ok())
        .and_then(|found| usize::try_from(found).ok()))
}

async fn record(connection: &mut sqlx::SqliteConnection, version: usize) -> Result<(), Fault> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let failed = || unavailable("record schema version");
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_version \
         (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, version integer NOT NULL)",
    )
    .execute(&mut *connection)
    .await
    .map_err(failed())?;
    let done = sqlx::query("UPDATE schema_version SET version = ?")
        .bind(version)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    if done.rows_affected() == 0 {
        sqlx::query("INSERT INTO schema_version (version) VALUES (?)")
            .bind(version)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    Ok(())
}
