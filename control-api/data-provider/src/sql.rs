//! The SQL provider: statements once, dialects apart. Only SQLite is spoken so far; the texts in
//! `statements` and `dialect` are what another database has to add to.

mod dialect;
mod fault;
mod migrate;
mod quota;
mod reader;
mod rows;
mod statements;
mod users;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::{Account, Fault, QuotaUsage, Username};
use sqlx::{AssertSqlSafe, Row};

use crate::{DataProvider, QuotaTurn, UserPage};
pub(crate) use dialect::{Dialect, TableName};
use fault::unavailable;
pub(crate) use migrate::{Schema, check_schema, is_older, migrate};
use quota::Turn;
use reader::Reader;
use statements::Statements;

/// The database that is spoken to.
pub(crate) type Db = sqlx::Sqlite;

/// How long running statements may take at the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Accounts in a SQL database.
pub(crate) struct SqlProvider {
    dialect: Dialect,
    readers: sqlx::Pool<Db>,
    writer: sqlx::Pool<Db>,
    reader: Reader,
    sql: Statements,
}

/// Connections to a database. Whoever waits to write must not keep others from reading.
pub(crate) struct Connections {
    pub(crate) readers: sqlx::Pool<Db>,
    pub(crate) writer: sqlx::Pool<Db>,
}

impl SqlProvider {
    /// Wraps a database whose schema is current.
    ///
    /// # Errors
    /// `Unavailable` when there is no connection to be had.
    pub(crate) async fn new(
        dialect: Dialect,
        connections: Connections,
        users: &TableName,
    ) -> Result<Self, Fault> {
        let Connections { readers, writer } = connections;
        let connection = readers.acquire().await.map_err(unavailable("connect"))?;
        let reader = Reader::new(connection.detach());
        Ok(Self { dialect, readers, writer, reader, sql: Statements::new(dialect, users) })
    }

    /// Begins a transaction that will write; waits while others write.
    async fn begin(&self, action: &'static str) -> Result<sqlx::Transaction<'static, Db>, Fault> {
        self.writer.begin_with(self.dialect.begin_write()).await.map_err(unavailable(action))
    }
}

impl fmt::Debug for SqlProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlProvider").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

#[async_trait]
impl DataProvider for SqlProvider {
    fn name(&self) -> &'static str {
        self.dialect.name()
    }

    async fn check(&self) -> Result<(), Fault> {
        let row = sqlx::query(AssertSqlSafe(self.sql.check.clone()))
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable("check"))?;
        row.map_or(Ok(()), |row| row.try_get::<i64, _>(0).map(|_| ())).map_err(unavailable("check"))
    }

    async fn user(&self, username: &Username) -> Result<Account, Fault> {
        self.user_by_name(username).await
    }

    async fn user_by_id(&self, id: i64) -> Result<Account, Fault> {
        self.user_with_id(id).await
    }

    async fn users(&self, page: &UserPage) -> Result<Vec<Account>, Fault> {
        self.page(page).await
    }

    async fn add_user(&self, account: &Account) -> Result<Account, Fault> {
        self.insert(account).await
    }

    async fn update_user(&self, account: &Account) -> Result<(), Fault> {
        self.replace(account).await
    }

    async fn delete_user(&self, id: i64) -> Result<(), Fault> {
        self.remove(id).await
    }

    async fn record_logins(&self, logins: &[(Username, i64)]) -> Result<(), Fault> {
        self.touch(logins).await
    }

    async fn quota(&self, username: &Username) -> Result<QuotaUsage, Fault> {
        self.usage(username).await
    }

    async fn quota_turn(&self) -> Result<Box<dyn QuotaTurn + '_>, Fault> {
        let turn: Turn<'_> = self.turn().await?;
        Ok(Box::new(turn))
    }

    async fn reload(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// With its last connection SQLite writes its journal into the database and removes it.
    async fn close(&self) {
        let closed = async {
            tokio::join!(self.reader.close(), self.readers.close());
            self.writer.close().await;
        };
        if tokio::time::timeout(CLOSE_LIMIT, closed).await.is_err() {
            tracing::warn!(
                sender = "sqlite",
                "statements were running when the database was closed"
            );
        }
    }
}
