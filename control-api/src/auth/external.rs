//! External authentication: a program decides a login and says what the account is.

use std::path::PathBuf;
use std::time::Duration;

use ferryd_domain::account::json::parse_account;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Account, Fault};

use super::{Login, Proof, credentials, refusal};
use crate::accounts::Accounts;
use crate::programs::{Invocation, Programs};

const LIMIT: Duration = Duration::from_secs(60);

/// The program and the methods it decides.
#[derive(Debug)]
pub(super) struct ExternalProgram {
    path: PathBuf,
    scope: Scope,
    programs: Programs,
}

/// A set of methods, by the bits of `external_auth_scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope(i32);

impl Scope {
    fn from_number(number: i32) -> Self {
        match number {
            0 => Self(7),
            1..=7 => Self(number),
            _ => {
                tracing::warn!(
                    sender = "auth",
                    scope = number,
                    "external_auth_scope is not within 0 and 7, the program decides every method"
                );
                Self(7)
            }
        }
    }

    const fn covers(self, method: LoginMethod) -> bool {
        let bit = match method {
            LoginMethod::Password => 1,
            LoginMethod::PublicKey => 2,
            LoginMethod::KeyboardInteractive => 4,
        };
        self.0 & bit != 0
    }
}

impl ExternalProgram {
    pub(super) fn new(path: PathBuf, scope: i32, programs: &Programs) -> Self {
        Self { path, scope: Scope::from_number(scope), programs: programs.clone() }
    }

    /// Tells whether logins by this method are the program's.
    pub(super) fn decides(&self, method: LoginMethod) -> bool {
        self.scope.covers(method)
    }

    /// Asks the program and stores the account that it answers with.
    pub(super) async fn account(
        &self,
        accounts: &Accounts,
        login: Login<'_>,
    ) -> Result<Account, Fault> {
        let output = self
            .programs
            .output(&self.invocation(login))
            .await
            .map_err(|fault| refused(fault.to_string()).context("external program"))?;
        let mut account = answered_account(&output, login)?;
        match login.proof {
            Proof::Password(password) => {
                // Hashed here, as a password that looks like a hash would be stored as one.
                account.password = crate::passwords::hash(password.clone()).await?;
            }
            Proof::Key(line) => credentials::add_key(&mut account, line),
            Proof::Dialog => {}
        }
        accounts
            .upsert_from_hook(account)
            .await
            .map_err(|fault| refusal(&fault, "answer of the external program"))
    }

    fn invocation(&self, login: Login<'_>) -> Invocation {
        let (mut password, mut key, mut dialog) = (String::new(), String::new(), "");
        match login.proof {
            Proof::Password(offered) => password.clone_from(offered.expose()),
            Proof::Key(line) => key = format!("{line}\n"),
            Proof::Dialog => dialog = "1",
        }
        Invocation::new(&self.path, LIMIT)
            .variable("AUTHD_USERNAME", login.username.as_str())
            .variable("AUTHD_PASSWORD", password)
            .variable("AUTHD_PUBLIC_KEY", key)
            .variable("AUTHD_KEYBOARD_INTERACTIVE", dialog)
    }
}

/// Reads the answer. Nothing may be stored under another name than the one that was asked about.
fn answered_account(output: &[u8], login: Login<'_>) -> Result<Account, Fault> {
    // The text of the error is left out: it may quote a password of the answer.
    let account = parse_account(output)
        .map_err(|_| refused("the external program answered with no valid JSON object"))?;
    if account.username.as_str().is_empty() {
        return Err(refused("the external program refused the login"));
    }
    if account.username != *login.username {
        return Err(refused("the external program answered with another user name"));
    }
    Ok(account)
}
