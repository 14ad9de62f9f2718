//! A row as an account. Lists and objects are JSON text. What cannot be read is named in the
//! account, which then lets nobody in; see [`stored`].

use ferryd_domain::account::stored::{self, Misread};
use ferryd_domain::{Account, Fault, Secret, Username};
use sqlx::{Decode, Row, Type};

use super::Db;
use super::fault::unavailable;

type DbRow = <Db as sqlx::Database>::Row;

/// Reads an account.
///
/// # Errors
/// `Unavailable` when a column is missing, and for a row without a readable name or id.
pub(crate) fn account(row: &DbRow) -> Result<Account, Fault> {
    let mut columns = Columns { row, unreadable: Vec::new() };
    let mut account = columns.read().map_err(unavailable("read user"))?;
    for misread in &columns.unreadable {
        tracing::warn!(
            sender = "data_provider",
            username = %account.username,
            field = misread.0,
            reason = misread.1,
            "a stored field is not understood, the account is refused"
        );
    }
    account.unreadable = columns.unreadable.iter().map(|misread| misread.0.to_owned()).collect();
    Ok(account)
}

/// The columns of a row, and those that were not understood, with the reason.
struct Columns<'r> {
    row: &'r DbRow,
    unreadable: Vec<(&'static str, &'static str)>,
}

impl Columns<'_> {
    fn read(&mut self) -> Result<Account, sqlx::Error> {
        Ok(Account {
            id: self.row.try_get("id")?,
            status: self.small("status")?,
            username: Username::stored(self.row.try_get::<String, _>("username")?),
            expiration_date: self.number("expiration_date")?,
            password: Secret::new(self.text("password")?),
            public_keys: self.json("public_keys", stored::public_keys)?,
            home_dir: self.text("home_dir")?,
            virtual_folders: self.json("virtual_folders", stored::virtual_folders)?,
            uid: self.small("uid")?,
            gid: self.small("gid")?,
            max_sessions: self.small("max_sessions")?,
            quota_size: self.number("quota_size")?,
            quota_files: self.number("quota_files")?,
            permissions: self.json("permissions", stored::permissions)?,
            used_quota_size: self.number("used_quota_size")?.max(0),
            used_quota_files: self.number("used_quota_files")?.max(0),
            last_quota_update: self.number("last_quota_update")?,
            upload_bandwidth: self.number("upload_bandwidth")?,
            download_bandwidth: self.number("download_bandwidth")?,
            last_login: self.number("last_login")?,
            filters: self.json("filters", stored::filters)?,
            filesystem: self.json("filesystem", stored::filesystem)?,
            unreadable: Vec::new(),
        })
    }

    /// Reads a text; SQLite keeps one that was written as bytes as bytes.
    fn text(&mut self, column: &'static str) -> Result<String, sqlx::Error> {
        if let Some(text) = self.typed::<String>(column)? {
            return Ok(text);
        }
        let bytes = self.typed::<Vec<u8>>(column)?.unwrap_or_default();
        Ok(String::from_utf8(bytes).unwrap_or_else(|_| self.misread(column, "not a text")))
    }

    /// Reads a number; SQLite keeps what is none in a column of numbers as it is.
    fn number(&mut self, column: &'static str) -> Result<i64, sqlx::Error> {
        if let Some(number) = self.typed::<Option<i64>>(column)? {
            return Ok(number.unwrap_or_default());
        }
        let text = match self.typed::<f64>(column)? {
            Some(number) => format!("{number}"),
            None => self.text(column)?,
        };
        match text.trim() {
            "" => Ok(0),
            text => Ok(text.parse().unwrap_or_else(|_| self.misread(column, "not a whole number"))),
        }
    }

    /// Numbers outside of the range were put there by hand; the nearest one keeps their meaning.
    fn small(&mut self, column: &'static str) -> Result<i32, sqlx::Error> {
        let wide = self.number(column)?.clamp(i32::MIN.into(), i32::MAX.into());
        Ok(i32::try_from(wide).unwrap_or_default())
    }

    fn json<T: Default>(
        &mut self,
        column: &'static str,
        read: fn(&str) -> Result<T, Misread>,
    ) -> Result<T, sqlx::Error> {
        let text = self.text(column)?;
        Ok(read(&text).unwrap_or_else(|Misread(reason)| self.misread(column, reason)))
    }

    /// Returns the value of a column that may hold it, `None` when it holds another type.
    fn typed<T>(&self, column: &'static str) -> Result<Option<T>, sqlx::Error>
    where
        T: for<'a> Decode<'a, Db> + Type<Db>,
    {
        match self.row.try_get::<T, _>(column) {
            Ok(value) => Ok(Some(value)),
            Err(sqlx::Error::ColumnDecode { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn misread<T: Default>(&mut self, column: &'static str, reason: &'static str) -> T {
        self.unreadable.push((column, reason));
        T::default()
    }
}

/// Writes a list or object for its column.
///
/// # Errors
/// `Internal`: the types of an account can always be written.
pub(crate) fn json_text(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::internal("write JSON").because(error))
}
