//! SQLite: where the file is and how it is opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::{Fault, FaultKind};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::sql::{
    Connections, Dialect, Schema, SqlProvider, TableName, check_schema, is_older, migrate,
};
use crate::{DataProviderConfig, Inspected};

/// Connections that only read; they run beside the one that writes.
const READERS: u32 = 4;
/// SQLite has one writer at a time.
const WRITERS: u32 = 1;

/// Opens an existing database; its schema is brought up to date or only looked at.
///
/// # Errors
/// `NotFound` when there is no file, `InvalidInput`, `Unavailable`.
pub(crate) async fn open(
    config: &DataProviderConfig,
    config_dir: &Path,
    schema: Schema,
) -> Result<SqlProvider, Fault> {
    let users = TableName::parse(&config.users_table)?;
    let options = options(config, config_dir)?;
    let file = options.get_filename().to_owned();
    if !file.is_file() {
        return Err(Fault::not_found(format!(
            "data_provider.name: there is no database {}, please run initprovider",
            file.display()
        )));
    }
    let writer = pool(options.clone(), WRITERS, &file).await?;
    let current = match schema {
        Schema::Upgrade => migrate(Dialect::Sqlite, &writer, &users).await,
        Schema::Check => check_schema(Dialect::Sqlite, &writer, &users).await,
    };
    current.map_err(|fault| match fault.kind() {
        FaultKind::Unsupported => Fault::unsupported(format!(
            "data_provider.name, {}: {}",
            file.display(),
            fault.public()
        )),
        _ => fault,
    })?;
    let readers = pool(options.pragma("query_only", "1"), READERS, &file).await?;
    SqlProvider::new(Dialect::Sqlite, Connections { readers, writer }, &users).await
}

/// Opens an existing database for reading; neither its schema nor its journal changes.
///
/// # Errors
/// As [`open`].
pub(crate) async fn inspect(
    config: &DataProviderConfig,
    config_dir: &Path,
) -> Result<Inspected, Fault> {
    let reading = DataProviderConfig { manage_users: 0, ..config.clone() };
    let users = TableName::parse(&config.users_table)?;
    let options = options(&reading, config_dir)?.pragma("query_only", "1");
    let file = options.get_filename().to_owned();
    if !file.is_file() {
        return Ok(Inspected::Missing(file));
    }
    let pool = pool(options, 1, &file).await?;
    let older = is_older(Dialect::Sqlite, &pool, &users).await;
    pool.close().await;
    if older? && config.manage_users != 0 {
        return Ok(Inspected::Older);
    }
    let provider = open(&reading, config_dir, Schema::Check).await?;
    Ok(Inspected::Ready(Arc::new(provider)))
}

async fn pool(
    options: SqliteConnectOptions,
    connections: u32,
    file: &Path,
) -> Result<SqlitePool, Fault> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(15))
        .connect_with(options)
        .await
        .map_err(|error| Fault::unavailable(format!("open {}", file.display())).because(error))
}

/// Makes the file, for its owner alone: it holds password hashes. An existing one is kept.
///
/// # Errors
/// `Failed` when the file cannot be made, `InvalidInput`.
pub(crate) fn create_file(config: &DataProviderConfig, config_dir: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    let options = options(config, config_dir)?;
    let file = options.get_filename();
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create(true).truncate(false).mode(0o600);
    how.open(file).map(|_| ()).map_err(|error| {
        Fault::failed(format!("cannot create the database {}", file.display())).because(error)
    })
}

/// A connection string replaces the name: `sqlite:...`, or `file:path?...` of which the path alone
/// counts, since how the file is opened is decided here.
fn options(config: &DataProviderConfig, config_dir: &Path) -> Result<SqliteConnectOptions, Fault> {
    let options = match config.connection_string.expose().as_str() {
        "" => SqliteConnectOptions::new().filename(config.file(config_dir)?),
        text => match text.strip_prefix("file:") {
            Some(rest) => {
                let path = rest.split_once('?').map_or(rest, |(path, _)| path);
                SqliteConnectOptions::new().filename(config_dir.join(path))
            }
            None => text.parse().map_err(|error: sqlx::Error| {
                Fault::invalid("data_provider.connection_string cannot be read").because(error)
            })?,
        },
    };
    // The mode is kept in the file.
    let options = match config.manage_users {
        0 => options,
        _ => options.journal_mode(SqliteJournalMode::Wal),
    };
    Ok(options
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true))
}
