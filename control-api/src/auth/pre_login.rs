//! The pre-login program: may change an account just before its login.

use std::path::PathBuf;
use std::time::Duration;

use ferryd_domain::policy::LoginMethod;
use ferryd_domain::policy::login::refused;
use ferryd_domain::{Account, Fault, Secret};

use super::refusal;
use crate::accounts::Accounts;
use crate::programs::{Invocation, Programs};

const LIMIT: Duration = Duration::from_secs(60);

/// The program that is asked before a login.
#[derive(Debug)]
pub(super) struct PreLoginProgram {
    path: PathBuf,
    programs: Programs,
}

impl PreLoginProgram {
    pub(super) fn new(path: PathBuf, programs: &Programs) -> Self {
        Self { path, programs: programs.clone() }
    }

    /// Shows an account to the program, stores the changes that it answers with, and returns the
    /// account as it is then.
    pub(super) async fn account(
        &self,
        accounts: &Accounts,
        account: Account,
        method: LoginMethod,
    ) -> Result<Account, Fault> {
        let mut shown = account.without_secrets();
        shown.filesystem.s3config.access_secret = Secret::default();
        let shown = serde_json::to_string(&shown)
            .map_err(|error| Fault::internal("account as JSON").because(error))?;
        let invocation = Invocation::new(&self.path, LIMIT)
            .variable("LOGIND_USER", shown)
            .variable("LOGIND_METHOD", method.name());
        let output = self
            .programs
            .output(&invocation)
            .await
            .map_err(|fault| refused(fault.to_string()).context("pre-login program"))?;
        if changes_nothing(&output) {
            return Ok(account);
        }
        accounts
            .patch_from_hook(&account.username, &output)
            .await
            .map_err(|fault| refusal(&fault, "answer of the pre-login program"))
    }
}

/// A program that builds its answer as a value and has none prints `null`.
fn changes_nothing(output: &[u8]) -> bool {
    matches!(output.trim_ascii(), b"" | b"null")
}
