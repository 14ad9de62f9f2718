//! Compares passwords and keys with what an account has.

use ferryd_domain::account::public_key::PublicKeyLine;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Account, Fault, Secret};

use super::Auth;
use crate::passwords::{DECOY, Line, Verdict};

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckedPassword {
    /// It is the account's.
    Right,
    /// It is not, or the account has none.
    Wrong,
    /// Too many checks wait for this account.
    NotChecked,
}

impl Auth {
    /// Compares a password with the stored hash, in the account's line. An account without a
    /// password takes as long as one with another password.
    pub(super) async fn check_password(
        &self,
        account: &Account,
        password: &Secret<String>,
    ) -> CheckedPassword {
        let stored = &account.password;
        let hash = match crate::passwords::is_hash(stored.expose()) {
            true => stored.clone(),
            false => Secret::new(DECOY.to_owned()),
        };
        let line = Line::Account(account.username.as_str().to_owned());
        match self.passwords.verify(line, hash, password.clone()).await {
            Verdict::Match => CheckedPassword::Right,
            Verdict::Mismatch => CheckedPassword::Wrong,
            Verdict::Busy => CheckedPassword::NotChecked,
        }
    }

    /// Spends the time of a check on a name without an account.
    pub(super) async fn check_decoy(&self, name: &str, password: &Secret<String>) {
        let hash = Secret::new(DECOY.to_owned());
        self.passwords.verify(Line::unknown(name), hash, password.clone()).await;
    }
}

/// Looks for a key among those of an account; comments and options do not matter.
pub(super) fn check_key(account: &Account, line: &str) -> Result<(), Fault> {
    let offered = PublicKeyLine::parse(line).map_err(|fault| refused(fault.to_string()))?;
    let has = account
        .public_keys
        .iter()
        .any(|stored| PublicKeyLine::parse(stored).is_ok_and(|key| key.blob == offered.blob));
    if has { Ok(()) } else { Err(refused("the key is not one of the account")) }
}

/// Adds a key to an account that does not have it.
pub(super) fn add_key(account: &mut Account, line: &str) {
    if check_key(account, line).is_err() {
        account.public_keys.push(line.to_owned());
    }
}
