//! Where the databases differ in the text of a statement.

use std::sync::Arc;

use ferryd_domain::Fault;

/// A SQL dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite 3.
    Sqlite,
}

impl Dialect {
    /// Returns the name for logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
        }
    }

    /// Returns how a transaction that will write is begun. SQLite would otherwise take its write
    /// lock in the middle and fail instead of waiting.
    pub(crate) const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Returns the statement for a template: `{users}` is the table, `{max}` and `{min}` the
    /// functions that pick one of two numbers, `?` a parameter.
    pub(crate) fn statement(self, template: &str, users: &TableName) -> Arc<str> {
        let (max, min) = match self {
            Self::Sqlite => ("MAX", "MIN"),
        };
        template
            .replace("{users}", &format!("\"{}\"", users.0))
            .replace("{max}", max)
            .replace("{min}", min)
            .into()
    }
}

/// The name of the table of users: it goes into the text of statements, so only letters, digits
/// and `_` are let in.
#[derive(Clone, Debug)]
pub(crate) struct TableName(String);

impl TableName {
    /// Parses a name from the configuration.
    ///
    /// # Errors
    /// `InvalidInput` for anything that is not a plain identifier.
    pub(crate) fn parse(raw: &str) -> Result<Self, Fault> {
        let plain = raw.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let starts_well = raw.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !plain || !starts_well || raw.len() > 63 || raw.eq_ignore_ascii_case("schema_version") {
            return Err(Fault::invalid(format!("data_provider.users_table: invalid name {raw:?}")));
        }
        Ok(Self(raw.to_owned()))
    }

    /// Returns the name without quotes.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_identifiers_name_the_table() {
        assert!(TableName::parse("sftp_users2").is_ok());
        for bad in ["", "2x", "a b", "users;--", "u\"", "schema_version", &"x".repeat(64)] {
            assert!(TableName::parse(bad).is_err(), "{bad}");
        }
    }
}
