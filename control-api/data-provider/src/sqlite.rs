//! SQLite: where the file is and how it is opened.

use std::path::Path;
use std::time::Duration;

use ferryd_domain::Fault;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::DataProviderConfig;
use crate::sql::{Dialect, Schema, SqlProvider, TableName, check_schema, migrate};

/// Reads run beside one writer; more connections only wait for each other.
const CONNECTIONS: u32 = 4;

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
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(15))
        .connect_with(options)
        .await
        .map_err(|error| Fault::unavailable(format!("open {}", file.display())).because(error))?;
    match schema {
        Schema::Upgrade => migrate(Dialect::Sqlite, &pool, &users).await?,
        Schema::Check => check_schema(Dialect::Sqlite, &pool, &users).await?,
    }
    SqlProvider::new(Dialect::Sqlite, pool, &users).await
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
