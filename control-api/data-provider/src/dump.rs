//! The format of backups and of the memory provider's file: `{"users":[...]}`.

use ferryd_domain::{Account, Fault};
use serde::Deserialize;
use serde_json::Value;

/// The largest dump that is read, in bytes.
pub const MAX_SIZE: u64 = 10 * 1024 * 1024;

/// A dump whose users are not looked at yet, so that a reader can stop at the first bad one.
#[derive(Debug, Deserialize)]
pub struct Dump {
    users: Option<Vec<Value>>,
}

impl Dump {
    /// Parses the text of a dump.
    ///
    /// # Errors
    /// `InvalidInput` unless it is an object with a list of users.
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(text)
            .map_err(|error| Fault::invalid(format!("invalid dump: {error}")))
    }

    /// Returns the users one by one.
    pub fn into_users(self) -> impl Iterator<Item = Result<Account, Fault>> {
        self.users.unwrap_or_default().into_iter().map(user)
    }
}

/// Reads one user; a plain list of permissions, as before 0.9.5, is for the root directory.
fn user(mut value: Value) -> Result<Account, Fault> {
    if let Some(permissions @ Value::Array(_)) = value.get_mut("permissions") {
        let list = permissions.take();
        *permissions = serde_json::json!({ "/": list });
    }
    if !value.is_object() {
        return Err(Fault::invalid("a user of the dump is no JSON object"));
    }
    serde_json::from_value(value)
        .map_err(|error| Fault::invalid(format!("invalid user in the dump: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_list_of_permissions_is_for_the_root() {
        let dump = Dump::parse(br#"{"users":[{"username":"a","permissions":["list"]}]}"#).unwrap();
        let users: Vec<_> = dump.into_users().collect::<Result<_, _>>().unwrap();
        assert_eq!(users[0].permissions["/"], ["list"]);
    }

    #[test]
    fn users_are_read_one_by_one() {
        let dump = Dump::parse(br#"{"users":[{"username":"a"},7,{"status":"x"}]}"#).unwrap();
        let good: Vec<bool> = dump.into_users().map(|user| user.is_ok()).collect();
        assert_eq!(good, [true, false, false]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "[]x", "{", "7", r#"{"users":7}"#] {
            assert!(Dump::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Dump::parse(b"{}").unwrap().into_users().count(), 0);
    }
}
