//! Reads the memory provider's dump: every user of it or none.

use std::collections::HashSet;
use std::path::Path;

use ferryd_domain::account::{normalize::normalize, validate::validate};
use ferryd_domain::{Account, Fault};
use tokio::io::AsyncReadExt;

use crate::DataProviderConfig;
use crate::dump::{Dump, MAX_SIZE};

/// Returns the users of a dump, valid, in stored form, with counters at zero.
///
/// # Errors
/// `InvalidInput` for a file that is missing, empty, too large or holds an invalid user.
pub(super) async fn users(file: &Path, config: &DataProviderConfig) -> Result<Vec<Account>, Fault> {
    let text = read(file).await.map_err(|fault| fault.context(file.display().to_string()))?;
    let mut names = HashSet::new();
    let mut users = Vec::new();
    for user in Dump::parse(&text)?.into_users() {
        let account = prepared(user?, config)?;
        if !names.insert(account.username.clone()) {
            return Err(Fault::invalid(format!(
                "user {:?} is twice in the dump",
                account.username.as_str()
            )));
        }
        users.push(account);
    }
    Ok(users)
}

fn prepared(mut account: Account, config: &DataProviderConfig) -> Result<Account, Fault> {
    if account.home_dir.is_empty() {
        account.home_dir = config.default_home(&account.username).unwrap_or_default();
    }
    validate(&account).map_err(|fault| {
        Fault::invalid(format!("user {:?}: {}", account.username.as_str(), fault.public()))
    })?;
    normalize(&mut account);
    account.keep_server_fields_of(&Account::default());
    Ok(account)
}

#[expect(clippy::disallowed_methods, reason = "the dump is this provider's own file")]
async fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    let opened = tokio::fs::File::open(file).await.map_err(|error| {
        Fault::invalid("data_provider.name: the dump cannot be read").because(error)
    })?;
    let mut text = Vec::new();
    opened.take(MAX_SIZE + 1).read_to_end(&mut text).await.map_err(|error| {
        Fault::invalid("data_provider.name: the dump cannot be read").because(error)
    })?;
    match u64::try_from(text.len()) {
        Ok(0) => Err(Fault::invalid("data_provider.name: the dump is empty")),
        Ok(size) if size <= MAX_SIZE => Ok(text),
        Ok(_) | Err(_) => Err(Fault::invalid("data_provider.name: the dump is larger than 10 MiB")),
    }
}
