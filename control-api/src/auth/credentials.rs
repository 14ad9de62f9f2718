//! Compares passwords and keys with what an account has.

use std::net::IpAddr;

use ferryd_domain::account::public_key::PublicKeyLine;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Account, Fault, Secret};

use super::Auth;
use crate::passwords::{DECOY, Line, Origin, Verdict};

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckedPassword {
    /// It is the account's.
    Right,
    /// It is not.
    Wrong,
    /// The account has none, is locked, or has a hash of an unknown form.
    None,
    /// Too many checks wait; the client must not tell it from a wrong one.
    NotChecked,
}

impl CheckedPassword {
    /// Turns all but the right one into a refusal with its reason.
    pub(super) fn proven(self) -> Result<(), Fault> {
        match self {
            Self::Right => Ok(()),
            Self::Wrong => Err(refused("the password is wrong")),
            Self::None => Err(refused("the account has no password that can be checked")),
            Self::NotChecked => Err(refused("not checked: too many passwords wait for a check")),
        }
    }
}

impl Auth {
    /// Compares a password with the stored hash. An account without a
    /// password takes as long as one with another password.
    pub(super) async fn check_password(
        &self,
        account: &Account,
        address: IpAddr,
        password: &Secret<String>,
    ) -> CheckedPassword {
        let stored = &account.password;
        let (hash, mismatch) = match crate::passwords::is_hash(stored.expose()) {
            true => (stored.clone(), CheckedPassword::Wrong),
            false => (Secret::new(DECOY.to_owned()), CheckedPassword::None),
        };
        let line = Line::Name(account.username.as_str().to_owned());
        match self.passwords.verify(line, address.into(), hash, password.clone()).await {
            Verdict::Match => CheckedPassword::Right,
            Verdict::Mismatch => mismatch,
            Verdict::Busy => CheckedPassword::NotChecked,
        }
    }

    /// Spends the time of a check on a name without an account, in the same way as with one.
    pub(super) async fn check_decoy(&self, name: &str, address: IpAddr, password: &Secret<String>) {
        let hash = Secret::new(DECOY.to_owned());
        let line = Line::Name(name.to_owned());
        self.passwords.verify(line, Origin::from(address), hash, password.clone()).await;
    }
}

/// Looks for a key among those of an account; of several lines with the same key one has to let
/// the client in, as in sshd.
pub(super) fn check_key(account: &Account, line: &str, from: IpAddr) -> Result<(), Fault> {
    let offered = PublicKeyLine::parse(line).map_err(|fault| refused(fault.to_string()))?;
    let mut outcome = Err(refused("the key is not one of the account"));
    for stored in lines_of(account, &offered) {
        outcome = stored.options.admit(from, crate::clock::wall_seconds);
        if outcome.is_ok() {
            if let Some(idle) = stored.options.idle() {
                tracing::warn!(sender = "auth", username = %account.username, "public_keys: {idle}");
            }
            break;
        }
    }
    outcome
}

/// Adds a key to an account that does not have it.
pub(super) fn add_key(account: &mut Account, line: &str) {
    let has = PublicKeyLine::parse(line)
        .is_ok_and(|offered| lines_of(account, &offered).next().is_some());
    if !has {
        account.public_keys.push(line.to_owned());
    }
}

fn lines_of(account: &Account, offered: &PublicKeyLine) -> impl Iterator<Item = PublicKeyLine> {
    let stored = account.public_keys.iter().flat_map(|line| PublicKeyLine::parse(line));
    stored.filter(|stored| stored.blob == offered.blob)
}

#[cfg(test)]
mod tests {
    use ferryd_domain::FaultKind;

    use super::*;

    #[test]
    fn a_password_that_was_not_checked_is_a_refusal_like_a_wrong_one() {
        let faults = [CheckedPassword::Wrong, CheckedPassword::NotChecked, CheckedPassword::None]
            .map(|checked| checked.proven().unwrap_err());
        for fault in &faults {
            assert_eq!(fault.kind(), FaultKind::Unauthenticated);
            assert!(!fault.is_transient(), "it would be told as an outage");
        }
        assert_eq!(faults[0].public(), faults[1].public());
        assert_eq!(faults[0].public(), faults[2].public());
        assert_ne!(faults[0].to_string(), faults[1].to_string());
    }
}
