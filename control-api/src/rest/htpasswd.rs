//! An htpasswd file: read again when it changed, and when it cannot be read nobody gets in.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ferryd_domain::{Fault, Secret};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::passwords::{self, DesHashes, Form};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 4 * 1024 * 1024;
/// Logins that are remembered, since each check is slow on purpose.
const MAX_REMEMBERED: usize = 256;
/// Clear text, `{SHA}` and crypt(3) are not safe enough.
const ACCEPTED: [&str; 7] = ["$2a$", "$2b$", "$2y$", "$2$", "$2x$", "$1$", "$apr1$"];

/// The users of a file.
#[derive(Debug)]
pub struct Htpasswd {
    file: PathBuf,
    salt: [u8; 32],
    current: Mutex<Option<Arc<Users>>>,
}

/// What the file held when it had this stamp.
#[derive(Debug)]
struct Users {
    stamp: Stamp,
    hashes: HashMap<String, Secret<String>>,
    /// Digests of logins that were right.
    known: Mutex<HashSet<[u8; 32]>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl Htpasswd {
    /// Reads a file.
    ///
    /// # Errors
    /// `InvalidInput` when it cannot be read.
    pub async fn open(file: &Path) -> Result<Self, Fault> {
        let users = read(file).await.map_err(|error| unreadable(file, error))?;
        let salt = rand::random();
        Ok(Self { file: file.to_owned(), salt, current: Mutex::new(Some(Arc::new(users))) })
    }

    /// Returns what is wrong with the lines of a file.
    ///
    /// # Errors
    /// `InvalidInput` when it cannot be read.
    pub async fn complaints(file: &Path) -> Result<Vec<String>, Fault> {
        read_text(file)
            .await
            .map(|(_, text)| parse(&text).1)
            .map_err(|error| unreadable(file, error))
    }

    /// Tells whether the name and the password are those of a user of the file.
    pub async fn accepts(&self, name: &str, password: &Secret<String>) -> bool {
        let Some(users) = self.users().await else { return false };
        let digest = self.digest(name, password);
        if users.known.lock().contains(&digest) {
            return true;
        }
        // A hash is checked for unknown names too, so that the time does not tell them apart.
        let hash = users.hashes.get(name);
        let Some(checked) = hash.or_else(|| users.hashes.values().next()) else { return false };
        let right = passwords::verify(checked, password).await && hash.is_some();
        if right {
            users.remember(digest);
        }
        right
    }

    /// Returns the users as the file has them now.
    async fn users(&self) -> Option<Arc<Users>> {
        let stamp = match tokio::fs::metadata(&self.file).await {
            Ok(found) => Stamp { modified: found.modified().ok(), size: found.len() },
            Err(error) => return self.lose(&error),
        };
        let current = self.current.lock().clone();
        if let Some(users) = current.filter(|users| users.stamp == stamp) {
            return Some(users);
        }
        match read(&self.file).await {
            Ok(users) => {
                let users = Arc::new(users);
                *self.current.lock() = Some(Arc::clone(&users));
                Some(users)
            }
            Err(error) => self.lose(&error),
        }
    }

    fn lose(&self, error: &std::io::Error) -> Option<Arc<Users>> {
        tracing::error!(sender = "httpd", %error, "the htpasswd file cannot be read, all are refused");
        *self.current.lock() = None;
        None
    }

    fn digest(&self, name: &str, password: &Secret<String>) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name);
        digest.update(password.expose());
        digest.finalize().into()
    }
}

impl Users {
    fn remember(&self, digest: [u8; 32]) {
        let mut known = self.known.lock();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(digest);
    }
}

fn unreadable(file: &Path, error: std::io::Error) -> Fault {
    Fault::invalid(format!("httpd.auth_user_file: {} cannot be read", file.display()))
        .because(error)
}

async fn read(file: &Path) -> std::io::Result<Users> {
    let (stamp, text) = read_text(file).await?;
    let (hashes, complaints) = parse(&text);
    for complaint in complaints {
        tracing::warn!(sender = "httpd", path = %file.display(), "httpd.auth_user_file: {complaint}");
    }
    Ok(Users { stamp, hashes, known: Mutex::default() })
}

#[expect(clippy::disallowed_methods, reason = "the file belongs to this module")]
async fn read_text(file: &Path) -> std::io::Result<(Stamp, String)> {
    let found = tokio::fs::metadata(file).await?;
    if !found.is_file() || found.len() > MAX_SIZE {
        return Err(std::io::Error::other("not a file, or larger than 4 MiB"));
    }
    let stamp = Stamp { modified: found.modified().ok(), size: found.len() };
    let mut text = String::new();
    tokio::fs::File::open(file).await?.take(MAX_SIZE).read_to_string(&mut text).await?;
    Ok((stamp, text))
}

/// Returns the users and what is wrong with lines. Of a name that is there twice the first line
/// counts, as in Apache.
fn parse(text: &str) -> (HashMap<String, Secret<String>>, Vec<String>) {
    let (mut users, mut complaints) = (HashMap::new(), Vec::new());
    let lines = text.lines().map(str::trim).enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        match user(line) {
            Ok((name, hash)) => {
                users.entry(name).or_insert(hash);
            }
            Err(flaw) => complaints.push(format!("line {}: {flaw}", index + 1)),
        }
    }
    if users.is_empty() {
        complaints.push("no line lets anybody in".to_owned());
    }
    (users, complaints)
}

fn user(line: &str) -> Result<(String, Secret<String>), String> {
    let Some((name, hash)) = line.split_once(':') else {
        return Err("NAME:HASH is expected".to_owned());
    };
    if ACCEPTED.iter().any(|prefix| hash.starts_with(prefix)) {
        return Ok((name.to_owned(), Secret::new(hash.to_owned())));
    }
    let found = match passwords::form(hash, DesHashes::Refused) {
        Form::Foreign(form) => format!("a hash of the form {form}"),
        Form::Hash => "a hash of another form".to_owned(),
        Form::NoPassword => "no password".to_owned(),
        Form::Clear => "clear text or an unknown hash".to_owned(),
    };
    Err(format!("{name:?} has {found}, which lets nobody in: make the line with htpasswd -B"))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;

    /// `htpasswd -nbB -C 4 admin secret`, `openssl passwd -apr1` and `-1` of "secret".
    const FILE: &str = "# comment\nplain:secret\nsha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbroken\n";

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn bcrypt_line(name: &str, password: &str) -> String {
        let hash = bcrypt::hash(password, 4).unwrap();
        format!("{name}:{}\n", hash.replace("$2b$", "$2y$"))
    }

    #[tokio::test]
    async fn only_good_hashes_let_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        std::fs::write(&file, format!("{FILE}{}", bcrypt_line("admin", "secret"))).unwrap();
        let users = Htpasswd::open(&file).await.unwrap();
        for _ in 0..2 {
            assert!(users.accepts("admin", &secret("secret")).await);
        }
        for (name, password) in [
            ("admin", "wrong"),
            ("admin", ""),
            ("plain", "secret"),
            ("sha", "secret"),
            ("x", "secret"),
        ] {
            assert!(!users.accepts(name, &secret(password)).await, "{name}");
        }
    }

    #[tokio::test]
    async fn a_changed_file_counts_at_once_and_a_lost_one_refuses_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        std::fs::write(&file, bcrypt_line("admin", "secret")).unwrap();
        let users = Htpasswd::open(&file).await.unwrap();
        assert!(users.accepts("admin", &secret("secret")).await);
        std::fs::write(&file, bcrypt_line("other-name", "secret")).unwrap();
        assert!(!users.accepts("admin", &secret("secret")).await);
        assert!(users.accepts("other-name", &secret("secret")).await);
        std::fs::remove_file(&file).unwrap();
        assert!(!users.accepts("other-name", &secret("secret")).await);
        std::fs::write(&file, bcrypt_line("other-name", "secret")).unwrap();
        assert!(users.accepts("other-name", &secret("secret")).await);
    }

    #[test]
    fn every_line_that_lets_nobody_in_is_told() {
        let (users, complaints) = parse(FILE);
        assert!(users.is_empty());
        let told = [
            "line 2: \"plain\" has clear",
            "line 3: \"sha\" has a hash of the form {SHA}",
            "line 4: NAME",
            "no line",
        ];
        assert_eq!(complaints.len(), told.len());
        for (complaint, told) in complaints.iter().zip(told) {
            assert!(complaint.starts_with(told), "{complaint}");
        }
        assert!(!complaints.concat().contains("secret"));
        assert!(parse(&bcrypt_line("admin", "secret")).1.is_empty());
    }

    #[tokio::test]
    async fn a_missing_file_is_an_error_at_start() {
        assert!(Htpasswd::open(Path::new("/nonexistent/users")).await.is_err());
    }
}
