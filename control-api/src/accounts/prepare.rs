//! From an account as sent to the account as stored: default home, rules, clean paths, hashed
//! password, sealed secrets.

use ferryd_data_provider::{Order, UserPage};
use ferryd_domain::account::normalize::normalize;
use ferryd_domain::account::validate::{new_key_options, validate};
use ferryd_domain::{Account, Fault};

use super::Accounts;
use crate::passwords;

/// Users that are looked at together after a reload.
const PAGE: u32 = 500;

impl Accounts {
    /// Returns the account in the form in which it is stored. Nothing is stored yet, but for
    /// credentials that live in a file of their own.
    pub(super) async fn prepared(
        &self,
        mut account: Account,
        before: Option<&Account>,
    ) -> Result<Account, Fault> {
        if account.home_dir.is_empty() {
            account.home_dir = self.config.default_home(&account.username).unwrap_or_default();
        }
        if let Some(before) = before {
            self.vault.keep_unchanged(&mut account, before);
        }
        validate(&account)?;
        new_key_options(&account, before.map_or(&[], |before| &before.public_keys))?;
        normalize(&mut account);
        hash_password(&mut account).await?;
        self.vault.seal(account, before).await
    }

    /// Hashes and seals what a dump of the memory provider holds in clear text.
    pub(super) async fn adopt_loaded(&self) -> Result<(), Fault> {
        let mut page = UserPage { limit: PAGE, offset: 0, order: Order::Ascending, username: None };
        loop {
            let users = self.list(&page).await?;
            if users.is_empty() {
                return Ok(());
            }
            page.offset += u64::from(PAGE);
            for account in users {
                self.adopt(account).await?;
            }
        }
    }

    async fn adopt(&self, account: Account) -> Result<(), Fault> {
        let mut adopted = account.clone();
        hash_password(&mut adopted).await?;
        let adopted = self.vault.seal(adopted, Some(&account)).await?;
        if adopted == account { Ok(()) } else { self.provider.update_user(&adopted).await }
    }
}

async fn hash_password(account: &mut Account) -> Result<(), Fault> {
    let password = account.password.expose();
    if !password.is_empty() && !passwords::is_hash(password) {
        account.password = passwords::hash(account.password.clone()).await?;
    }
    Ok(())
}
