//! Keys made once per run: making them is slow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// A key pair in OpenSSH's files.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key; the public one lies beside it.
    pub file: PathBuf,
    /// The public key as a line of `authorized_keys`.
    pub line: String,
}

/// Returns the host key of every server of this run.
pub fn host_key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| make("ed25519", &[]))
}

/// Returns the key of every user that is not given another one.
pub fn client_key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| make("ed25519", &[]))
}

/// Returns a key that belongs to nobody.
pub fn foreign_key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| make("ed25519", &[]))
}

/// Signs the key of users with these names, and returns the file of the certificate.
pub fn certify(authority: &KeyPair, key: &KeyPair, names: &str) -> PathBuf {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-n", names, "-s"])
        .args([&authority.file, &key.file.with_extension("pub")])
        .status()
        .expect("ssh-keygen of OpenSSH is needed");
    assert!(signed.success());
    PathBuf::from(format!("{}-cert.pub", key.file.display()))
}

/// Makes a key of a type that `ssh-keygen` knows.
pub fn make(kind: &str, options: &[&str]) -> KeyPair {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = folder().join(format!("{kind}-{number}"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-C", "test"])
        .args(options)
        .arg("-f")
        .arg(&file)
        .status()
        .expect("ssh-keygen of OpenSSH is needed");
    assert!(made.success());
    let line = std::fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned();
    KeyPair { file, line }
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| crate::files::temporary_folder("keys")).path()
}
