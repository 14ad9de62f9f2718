//! `Username`: the name of an account. Case-sensitive, any characters but NUL, at most 255 bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Fault;

/// The longest user name, in bytes.
pub const MAX_LENGTH: usize = 255;

/// The name of an account. Two names that differ in case are two accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Parses a name that came from outside.
    ///
    /// # Errors
    /// `InvalidInput` for an empty name, one above [`MAX_LENGTH`] bytes, or one with a NUL.
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        if raw.is_empty() {
            return Err(Fault::invalid("username is mandatory"));
        }
        if raw.len() > MAX_LENGTH {
            return Err(Fault::invalid("username is longer than 255 bytes"));
        }
        if raw.contains('\0') {
            return Err(Fault::invalid("username contains a NUL byte"));
        }
        Ok(Self(raw.to_owned()))
    }

    /// Wraps a name that was stored before; it is looked up as it is.
    pub fn stored(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Username {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differing_in_case_are_two_users() {
        assert_ne!(Username::parse("bob").unwrap(), Username::parse("Bob").unwrap());
    }

    #[test]
    fn empty_long_and_nul_names_are_refused() {
        for raw in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
            assert!(Username::parse(&raw).is_err(), "{raw:?}");
        }
        assert!(Username::parse(&"x".repeat(255)).is_ok());
    }
}
