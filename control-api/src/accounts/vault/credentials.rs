//! GCS credentials: one file per user below `credentials_path`, for the server alone. The user's
//! name is encoded, so that it cannot lead anywhere else.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferryd_domain::{Fault, Secret, Username};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

const SUFFIX: &str = "_gcs_credentials.json";
/// Longer names are replaced by their digest: a file name has at most 255 bytes.
const MAX_NAME: usize = 200;

/// The credential files, in one folder.
#[derive(Debug)]
pub(super) struct Credentials {
    directory: PathBuf,
}

impl Credentials {
    pub(super) fn below(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes the folder, for the server alone.
    pub(super) async fn make_directory(&self) -> Result<(), Fault> {
        make_directory(&self.directory).await.map_err(|error| {
            Fault::failed("data_provider.credentials_path: the folder cannot be made")
                .because(error)
        })
    }

    /// Returns what is stored for a user, base64 as in JSON; empty when nothing is.
    pub(super) async fn read(&self, username: &Username) -> Result<Secret<String>, Fault> {
        for file in [Some(self.file(username)), self.old_file(username)].into_iter().flatten() {
            match read(&file).await {
                Ok(bytes) => return Ok(Secret::new(STANDARD.encode(bytes))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(&file).because(error)),
            }
        }
        Ok(Secret::default())
    }

    /// Stores the credentials of a user.
    pub(super) async fn write(
        &self,
        username: &Username,
        credentials: &Secret<String>,
    ) -> Result<(), Fault> {
        let file = self.file(username);
        let bytes = STANDARD
            .decode(credentials.expose())
            .map_err(|_| Fault::invalid("gcsconfig: credentials are not base64"))?;
        if read(&file).await.is_ok_and(|stored| stored == bytes) {
            return Ok(());
        }
        self.replace(&file, &bytes).await.map_err(|error| unusable(&file).because(error))
    }

    async fn replace(&self, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
        make_directory(&self.directory).await?;
        let beside = self.directory.join(format!(".{}.tmp", uuid::Uuid::new_v4().simple()));
        let mut options = tokio::fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(0o600).open(&beside).await?;
        opened.write_all(bytes).await?;
        opened.sync_all().await?;
        tokio::fs::rename(&beside, file).await
    }

    /// Removes the credentials of a user, under whichever name.
    pub(super) async fn remove(&self, username: &Username) {
        for file in [Some(self.file(username)), self.old_file(username)].into_iter().flatten() {
            match tokio::fs::remove_file(&file).await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(sender = "accounts", %error, "credentials could not be removed");
                }
            }
        }
    }

    fn file(&self, username: &Username) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", encoded(username.as_str())))
    }

    /// Names were not encoded once; those with a slash led out of the directory.
    fn old_file(&self, username: &Username) -> Option<PathBuf> {
        let name = username.as_str();
        let differs = encoded(name) != name && name.len() + SUFFIX.len() <= 255;
        (differs && !name.contains(['/', '\0']))
            .then(|| self.directory.join(format!("{name}{SUFFIX}")))
    }
}

async fn make_directory(directory: &Path) -> std::io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).await
}

fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@.".contains(&byte);
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if plain(byte) && !(text.is_empty() && byte == b'.') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    if text.len() > MAX_NAME { format!("%%{}", hex::encode(Sha256::digest(name))) } else { text }
}

#[expect(clippy::disallowed_methods, reason = "the credentials are this module's own files")]
async fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    tokio::fs::read(file).await
}

fn unusable(file: &Path) -> Fault {
    Fault::failed("the stored credentials cannot be used").context(file.display().to_string())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn user(name: &str) -> Username {
        Username::stored(name)
    }

    #[tokio::test]
    async fn credentials_come_back_and_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = Credentials::below(dir.path().join("credentials"));
        let secret = Secret::new(STANDARD.encode(r#"{"a":1}"#));
        for name in
            ["bob", "../../etc/x", "a/b", ".hidden", "ü", &"x".repeat(255), &"/".repeat(255)]
        {
            assert!(files.read(&user(name)).await.unwrap().expose().is_empty());
            files.write(&user(name), &secret).await.unwrap();
            assert_eq!(files.read(&user(name)).await.unwrap(), secret, "{name}");
            let file = files.file(&user(name));
            assert_eq!(file.parent(), Some(dir.path().join("credentials").as_path()));
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            files.remove(&user(name)).await;
            assert!(files.read(&user(name)).await.unwrap().expose().is_empty());
        }
        let mode = std::fs::metadata(dir.path().join("credentials")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[tokio::test]
    async fn files_under_the_old_name_are_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(format!("a b{SUFFIX}")), "{}").unwrap();
        let files = Credentials::below(dir.path().to_owned());
        assert_eq!(files.read(&user("a b")).await.unwrap().expose(), "e30=");
    }

    #[test]
    fn two_names_never_share_a_file() {
        let names = ["a b", "a%20b", "A", "a", ".a", "%2Ea", "a/b", "a%2Fb"];
        let mut encoded_names: Vec<_> = names.iter().map(|name| encoded(name)).collect();
        encoded_names.sort();
        encoded_names.dedup();
        assert_eq!(encoded_names.len(), names.len());
    }
}
