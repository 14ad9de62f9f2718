//! The key that seals secrets: a file outside of the database, made at the first need.

use std::path::{Path, PathBuf};

use ferryd_domain::{Fault, Secret};
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

use super::s3_secret::{KeyBytes, fill};

/// Where the key comes from.
#[derive(Debug)]
pub(super) struct ServerKey {
    /// `None`: it ends with the process.
    file: Option<PathBuf>,
    loaded: OnceCell<KeyBytes>,
}

impl ServerKey {
    /// Returns the key in this file.
    pub(super) fn in_file(file: PathBuf) -> Self {
        Self { file: Some(file), loaded: OnceCell::new() }
    }

    /// Returns a key that is never written.
    pub(super) fn of_this_process() -> Self {
        Self { file: None, loaded: OnceCell::new() }
    }

    /// Returns the key, making it when there is none.
    ///
    /// # Errors
    /// `Failed` when the file cannot be read or made.
    pub(super) async fn get(&self) -> Result<KeyBytes, Fault> {
        self.loaded.get_or_try_init(|| self.load()).await.cloned()
    }

    async fn load(&self) -> Result<KeyBytes, Fault> {
        let Some(file) = &self.file else { return new_key() };
        match read(file).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(file).because(error)),
            Ok(text) => return parse(&text).ok_or_else(|| unusable(file)),
        }
        let key = new_key()?;
        match write_new(file, &key).await {
            Ok(()) => Ok(key),
            // Another process was quicker.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let text = read(file).await.map_err(|error| unusable(file).because(error))?;
                parse(&text).ok_or_else(|| unusable(file))
            }
            Err(error) => Err(unusable(file).because(error)),
        }
    }
}

fn new_key() -> Result<KeyBytes, Fault> {
    let mut key = [0; 32];
    fill(&mut key)?;
    Ok(Secret::new(key))
}

fn parse(text: &[u8]) -> Option<KeyBytes> {
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim_ascii(), &mut key).ok()?;
    Some(Secret::new(key))
}

#[expect(clippy::disallowed_methods, reason = "the key is this module's own file")]
async fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    tokio::fs::read(file).await
}

/// Written beside and linked, so that nobody ever reads half a key.
async fn write_new(file: &Path, key: &KeyBytes) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let mut options = tokio::fs::OpenOptions::new();
    let mut opened = options.write(true).create_new(true).mode(0o600).open(&beside).await?;
    let written = async {
        opened.write_all(format!("{}\n", hex::encode(key.expose())).as_bytes()).await?;
        opened.sync_all().await?;
        tokio::fs::hard_link(&beside, file).await
    };
    let done = written.await;
    let _ = tokio::fs::remove_file(&beside).await;
    done
}

fn unusable(file: &Path) -> Fault {
    Fault::failed("the server's key cannot be used").context(file.display().to_string())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret.key");
        let first = ServerKey::in_file(file.clone()).get().await.unwrap();
        let second = ServerKey::in_file(file.clone()).get().await.unwrap();
        assert_eq!(first, second);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_broken_key_is_an_error_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret.key");
        std::fs::write(&file, "short").unwrap();
        assert!(ServerKey::in_file(file.clone()).get().await.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "short");
    }

    #[tokio::test]
    async fn a_key_of_the_process_differs_from_the_next_one() {
        let first = ServerKey::of_this_process().get().await.unwrap();
        assert_ne!(first, ServerKey::of_this_process().get().await.unwrap());
    }
}
