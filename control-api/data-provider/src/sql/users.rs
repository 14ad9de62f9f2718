//! Accounts in the table of users.

use ferryd_domain::{Account, Fault, Username};
use sqlx::{Arguments as _, AssertSqlSafe};

use super::fault::{insert_failed, no_user, unavailable};
use super::rows::{account, json_text};
use super::{Db, SqlProvider};
use crate::{Order, UserPage};

type DbArguments = <Db as sqlx::Database>::Arguments;

impl SqlProvider {
    pub(super) async fn user_by_name(&self, username: &Username) -> Result<Account, Fault> {
        let query = sqlx::query(AssertSqlSafe(self.sql.by_name.clone())).bind(username.as_str());
        let row = match self.reader.free() {
            Some(mut connection) => query.fetch_optional(&mut *connection).await,
            None => query.fetch_optional(&self.readers).await,
        };
        let row = row.map_err(unavailable("find user"))?;
        account(&row.ok_or_else(no_user)?)
    }

    pub(super) async fn user_with_id(&self, id: i64) -> Result<Account, Fault> {
        let row = sqlx::query(AssertSqlSafe(self.sql.by_id.clone()))
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable("find user"))?;
        account(&row.ok_or_else(no_user)?)
    }

    pub(super) async fn page(&self, page: &UserPage) -> Result<Vec<Account>, Fault> {
        if let Some(username) = &page.username {
            return self.page_of_one(page, username).await;
        }
        let text = match page.order {
            Order::Ascending => &self.sql.ascending,
            Order::Descending => &self.sql.descending,
        };
        let rows = sqlx::query(AssertSqlSafe(text.clone()))
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable("list users"))?;
        rows.iter().map(account).collect()
    }

    async fn page_of_one(
        &self,
        page: &UserPage,
        username: &Username,
    ) -> Result<Vec<Account>, Fault> {
        if page.limit == 0 || page.offset > 0 {
            return Ok(Vec::new());
        }
        match self.user_by_name(username).await {
            Ok(account) => Ok(vec![account]),
            Err(fault) if fault.kind() == ferryd_domain::FaultKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn insert(&self, account: &Account) -> Result<Account, Fault> {
        let mut values = DbArguments::default();
        bind(&mut values, account.username.as_str())?;
        bind_settings(&mut values, account)?;
        bind(&mut values, account.used_quota_size)?;
        bind(&mut values, account.used_quota_files)?;
        bind(&mut values, account.last_quota_update)?;
        bind(&mut values, account.last_login)?;
        let done = sqlx::query_with(AssertSqlSafe(self.sql.insert.clone()), values)
            .execute(&self.writer)
            .await
            .map_err(insert_failed)?;
        Ok(Account { id: done.last_insert_rowid(), ..account.clone() })
    }

    pub(super) async fn replace(&self, account: &Account) -> Result<(), Fault> {
        let mut values = DbArguments::default();
        bind_settings(&mut values, account)?;
        bind(&mut values, account.id)?;
        let done = sqlx::query_with(AssertSqlSafe(self.sql.update.clone()), values)
            .execute(&self.writer)
            .await
            .map_err(unavailable("update user"))?;
        found(done.rows_affected())
    }

    pub(super) async fn remove(&self, id: i64) -> Result<(), Fault> {
        let done = sqlx::query(AssertSqlSafe(self.sql.delete.clone()))
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(unavailable("delete user"))?;
        found(done.rows_affected())
    }

    pub(super) async fn touch(&self, logins: &[(Username, i64)]) -> Result<(), Fault> {
        let mut transaction = self.begin("record logins").await?;
        for (username, time) in logins {
            sqlx::query(AssertSqlSafe(self.sql.touch.clone()))
                .bind(time)
                .bind(username.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(unavailable("record logins"))?;
        }
        transaction.commit().await.map_err(unavailable("record logins"))
    }
}

fn found(rows: u64) -> Result<(), Fault> {
    if rows == 0 { Err(no_user()) } else { Ok(()) }
}

/// Binds the columns that an insert and an update have in common, in the order of both.
fn bind_settings(values: &mut DbArguments, account: &Account) -> Result<(), Fault> {
    bind(values, account.password.expose().as_str())?;
    bind(values, json_text(&account.public_keys)?)?;
    bind(values, account.home_dir.as_str())?;
    bind(values, account.uid)?;
    bind(values, account.gid)?;
    bind(values, account.max_sessions)?;
    bind(values, account.quota_size)?;
    bind(values, account.quota_files)?;
    bind(values, json_text(&account.permissions)?)?;
    bind(values, account.upload_bandwidth)?;
    bind(values, account.download_bandwidth)?;
    bind(values, account.expiration_date)?;
    bind(values, account.status)?;
    bind(values, json_text(&account.filters)?)?;
    bind(values, json_text(&account.filesystem)?)?;
    bind(values, json_text(&account.virtual_folders)?)
}

fn bind<'q, T>(values: &mut DbArguments, value: T) -> Result<(), Fault>
where
    T: sqlx::Encode<'q, Db> + sqlx::Type<Db>,
{
    values.add(value).map_err(|error| Fault::internal(format!("bind a value: {error}")))
}
