//! From an account as sent to the account as stored: default home, rules, clean paths, hashed
//! password, sealed secrets.

use ferryd_data_provider::{Order, UserPage};
use ferryd_domain::account::normalize::normalize;
use ferryd_domain::account::validate::{new_key_options, validate};
use ferryd_domain::{Account, Fault, Secret};

use super::Accounts;
use crate::passwords::{self, DesHashes, Form};

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
        self.hash_password(&mut account, before.map(|before| &before.password)).await?;
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
        self.hash_password(&mut adopted, Some(&account.password)).await?;
        let adopted = self.vault.seal(adopted, Some(&account)).await?;
        if adopted == account { Ok(()) } else { self.provider.update_user(&adopted).await }
    }

    /// Hashes a password in clear. A hash that cannot be checked is refused, unless it is `stored`
    /// already: then it stays, and no password matches it.
    async fn hash_password(
        &self,
        account: &mut Account,
        stored: Option<&Secret<String>>,
    ) -> Result<(), Fault> {
        let password = &account.password;
        match passwords::form(password.expose(), self.des_hashes()) {
            Form::Hash | Form::NoPassword => {}
            Form::Foreign(_) if stored == Some(password) => {
                let username = &account.username;
                tracing::warn!(sender = "accounts", %username, "the stored password is a hash that cannot be checked");
            }
            Form::Foreign(name) => return Err(foreign(&name)),
            Form::Clear => account.password = passwords::hash(password.clone()).await?,
        }
        Ok(())
    }

    const fn des_hashes(&self) -> DesHashes {
        match self.config.refuse_des_hashes {
            true => DesHashes::Refused,
            false => DesHashes::Clear,
        }
    }
}

fn foreign(name: &str) -> Fault {
    Fault::invalid(format!(
        "password: a hash of the form {name} cannot be checked: send the password in clear, or a \
         hash of argon2id, bcrypt ($2a$, $2b$, $2y$), yescrypt ($y$), SHA-crypt ($5$, $6$), \
         MD5-crypt ($1$, $apr1$) or $pbkdf2-sha1$, $pbkdf2-sha256$, $pbkdf2-sha512$"
    ))
}
