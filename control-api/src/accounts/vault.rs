//! Cloud secrets of accounts: S3 secrets are stored sealed with the server's key, GCS credentials
//! in a file of their own. With the memory provider nothing touches the disk.

mod credentials;
mod s3_secret;
mod server_key;

use std::path::Path;

use ferryd_data_provider::{DataProviderConfig, Driver};
use ferryd_domain::account::shown_secret;
use ferryd_domain::{Account, Fault, Secret, StorageProvider};

use credentials::Credentials;
use server_key::ServerKey;

/// Seals and reveals.
#[derive(Debug)]
pub(crate) struct Vault {
    key: ServerKey,
    /// `None`: they stay in the record.
    credentials: Option<Credentials>,
}

impl Vault {
    /// Returns the vault for a provider. The key file is made when it is first needed.
    pub(crate) fn new(config: &DataProviderConfig, config_dir: &Path) -> Self {
        match config.driver() {
            Ok(Driver::Memory) => Self { key: ServerKey::of_this_process(), credentials: None },
            Ok(Driver::Sqlite | Driver::Mysql | Driver::Postgresql | Driver::Bolt) | Err(_) => {
                Self {
                    key: ServerKey::in_file(config_dir.join("secret.key")),
                    credentials: Some(Credentials::below(
                        config_dir.join(&config.credentials_path),
                    )),
                }
            }
        }
    }

    /// Makes the folder of credentials.
    pub(super) async fn start(&self) -> Result<(), Fault> {
        match &self.credentials {
            Some(files) => files.make_directory().await,
            None => Ok(()),
        }
    }

    /// Adds the credentials that are stored beside the record.
    pub(super) async fn with_stored_credentials(
        &self,
        mut account: Account,
    ) -> Result<Account, Fault> {
        if let Some(files) = &self.credentials
            && account.filesystem.provider == StorageProvider::Gcs
            && account.filesystem.gcsconfig.credentials.expose().is_empty()
        {
            account.filesystem.gcsconfig.credentials = files.read(&account.username).await?;
        }
        Ok(account)
    }

    /// Puts the stored secrets where the client sent none, or the ones that it was shown.
    pub(super) fn keep_unchanged(&self, account: &mut Account, before: &Account) {
        let (new, old) = (&mut account.filesystem.s3config, &before.filesystem.s3config);
        let (sent, stored) = (new.access_secret.expose(), old.access_secret.expose());
        let shown_again = *sent == shown_secret(stored) && !sent.is_empty();
        let left_out = sent.is_empty() && !new.access_key.is_empty();
        if shown_again || left_out {
            new.access_secret = old.access_secret.clone();
        }
        let gcs = &mut account.filesystem.gcsconfig;
        if gcs.credentials.expose().is_empty() {
            gcs.credentials = before.filesystem.gcsconfig.credentials.clone();
        }
    }

    /// Brings the secrets of a valid account into the form in which they are stored.
    pub(super) async fn seal(
        &self,
        mut account: Account,
        before: Option<&Account>,
    ) -> Result<Account, Fault> {
        let stored = before.map(|before| &before.filesystem.s3config.access_secret);
        let secret = &mut account.filesystem.s3config.access_secret;
        if !secret.expose().is_empty() && !self.is_stored_form(secret, stored).await? {
            // What has the old form and cannot be read stays as it is: only its owner knows more.
            if let Ok(clear) = s3_secret::clear_of_old_form(secret.expose()) {
                let clear = clear.unwrap_or_else(|| secret.clone());
                *secret = s3_secret::seal(&self.key.get().await?, &clear)?;
            }
        }
        self.store_credentials(&mut account).await?;
        Ok(account)
    }

    /// Only what this server has sealed counts as sealed: other text may look like it.
    async fn is_stored_form(
        &self,
        secret: &Secret<String>,
        stored: Option<&Secret<String>>,
    ) -> Result<bool, Fault> {
        if !s3_secret::looks_sealed(secret.expose()) {
            return Ok(false);
        }
        if stored == Some(secret) {
            return Ok(true);
        }
        Ok(s3_secret::open(&self.key.get().await?, secret.expose()).is_ok())
    }

    async fn store_credentials(&self, account: &mut Account) -> Result<(), Fault> {
        let Some(files) = &self.credentials else { return Ok(()) };
        let credentials = std::mem::take(&mut account.filesystem.gcsconfig.credentials);
        if credentials.expose().is_empty() {
            return Ok(());
        }
        files.write(&account.username, &credentials).await
    }

    /// Returns the account with its secrets in clear.
    pub(super) async fn reveal(&self, account: Account) -> Result<Account, Fault> {
        let mut account = self.with_stored_credentials(account).await?;
        let secret = &mut account.filesystem.s3config.access_secret;
        if let Some(clear) = s3_secret::clear_of_old_form(secret.expose())? {
            *secret = clear;
        } else if s3_secret::looks_sealed(secret.expose()) {
            *secret = s3_secret::open(&self.key.get().await?, secret.expose())?;
        }
        Ok(account)
    }

    /// Returns the account as it goes into a backup: readable without this server's key.
    pub(super) async fn portable(&self, account: Account) -> Result<Account, Fault> {
        let mut account = self.reveal(account).await?;
        let secret = &mut account.filesystem.s3config.access_secret;
        if !secret.expose().is_empty() {
            *secret = s3_secret::in_old_form(secret)?;
        }
        Ok(account)
    }

    /// Removes what is stored beside the record, so that a later user of that name cannot get it.
    pub(super) async fn forget(&self, account: &Account) {
        if let Some(files) = &self.credentials {
            files.remove(&account.username).await;
        }
    }
}

#[cfg(test)]
mod tests;
