//! Usage counters: every batch of changes is one transaction.

use async_trait::async_trait;
use ferryd_domain::{Fault, QuotaUsage, Username};
use sqlx::{AssertSqlSafe, Row};

use super::fault::{no_user, unavailable};
use super::statements::{MAX_COUNTER, Statements};
use super::{Db, SqlProvider};
use crate::{QuotaChange, QuotaTurn};

/// A transaction that has the database for itself, as far as writing goes.
pub(super) struct Turn<'a> {
    transaction: sqlx::Transaction<'static, Db>,
    sql: &'a Statements,
}

impl SqlProvider {
    pub(super) async fn usage(&self, username: &Username) -> Result<QuotaUsage, Fault> {
        let row = sqlx::query(AssertSqlSafe(self.sql.usage.clone()))
            .bind(username.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable("read quota"))?
            .ok_or_else(no_user)?;
        let counter = |index: usize| row.try_get::<Option<i64>, _>(index);
        // Counters below zero, put there by hand, would be room that nobody has.
        let counter = |index| counter(index).map(|count| count.unwrap_or_default().max(0));
        let counter = |index| counter(index).map_err(unavailable("read quota"));
        Ok(QuotaUsage { size: counter(0)?, files: counter(1)? })
    }

    pub(super) async fn turn(&self) -> Result<Turn<'_>, Fault> {
        Ok(Turn { transaction: self.begin("change quota").await?, sql: &self.sql })
    }
}

#[async_trait]
impl QuotaTurn for Turn<'_> {
    async fn change(
        mut self: Box<Self>,
        changes: &[(Username, QuotaChange)],
        now: i64,
    ) -> Result<(), Fault> {
        for (username, change) in changes {
            let (text, size, files) = match *change {
                QuotaChange::Add { size, files } => (&self.sql.add_usage, size, files),
                QuotaChange::Set(usage) => {
                    (&self.sql.set_usage, usage.size.max(0), usage.files.max(0))
                }
            };
            sqlx::query(AssertSqlSafe(text.clone()))
                .bind(bounded(size))
                .bind(bounded(files))
                .bind(now)
                .bind(username.as_str())
                .execute(&mut *self.transaction)
                .await
                .map_err(unavailable("change quota"))?;
        }
        self.transaction.commit().await.map_err(unavailable("change quota"))
    }
}

fn bounded(change: i64) -> i64 {
    change.clamp(-MAX_COUNTER, MAX_COUNTER)
}
