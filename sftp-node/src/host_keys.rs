//! Host keys: loaded from the configuration, or from the configuration folder. A folder without any
//! gets one of each type; one that has some keeps them as they are, because a new type changes which
//! key clients see first.

mod short_scalar;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use ferryd_domain::Fault;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, decode_secret_key};

use crate::config::SftpdConfig;

/// Loads the configured keys; without any, those of the configuration folder.
///
/// # Errors
/// `InvalidInput` for a key that cannot be read, `Unavailable` when one cannot be written.
pub(crate) fn load(config: &SftpdConfig, config_dir: &Path) -> Result<Vec<PrivateKey>, Fault> {
    if config.keys.is_empty() {
        return load_folder(config_dir);
    }
    config.keys.iter().map(|key| read(&config_dir.join(&key.private_key))).collect()
}

fn load_folder(folder: &Path) -> Result<Vec<PrivateKey>, Fault> {
    let (present, missing): (Vec<Kind>, Vec<Kind>) =
        Kind::ALL.into_iter().partition(|kind| kind.path(folder).exists());
    if present.is_empty() {
        missing.iter().try_for_each(|kind| kind.make_file(folder))?;
        return missing.iter().map(|kind| read(&kind.path(folder))).collect();
    }
    for kind in missing {
        kind.say_how_to_add(folder);
    }
    present.iter().map(|kind| read(&kind.path(folder))).collect()
}

/// Returns the keys that are there; nothing is made.
pub(crate) fn existing(
    config: &SftpdConfig,
    config_dir: &Path,
) -> impl Iterator<Item = Result<PrivateKey, Fault>> {
    let configured = config.keys.iter().map(|key| config_dir.join(&key.private_key));
    let made = Kind::ALL.iter().map(|kind| kind.path(config_dir));
    let made = made.filter(|path| config.keys.is_empty() && path.exists());
    configured.chain(made).map(|path| read(&path))
}

/// The keys that are made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Rsa,
    Ecdsa,
    Ed25519,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Rsa, Self::Ecdsa, Self::Ed25519];

    fn file_name(self) -> &'static str {
        match self {
            Self::Rsa => "id_rsa",
            Self::Ecdsa => "id_ecdsa",
            Self::Ed25519 => "id_ed25519",
        }
    }

    /// Returns the name of the type as `ssh-keygen` spells it.
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
        }
    }

    fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.file_name())
    }

    fn make_file(self, folder: &Path) -> Result<(), Fault> {
        let path = self.path(folder);
        let text =
            self.make().map_err(|fault| fault.context(format!("making {}", path.display())))?;
        store(&path, &text)?;
        tracing::info!(sender = "sftpd", path = %path.display(), "host key made");
        Ok(())
    }

    /// A client that knows the other keys would be warned of a changed one.
    fn say_how_to_add(self, folder: &Path) {
        let path = self.path(folder);
        tracing::info!(
            sender = "sftpd",
            kind = self.name(),
            hint = format!("ssh-keygen -t {} -N '' -f {}", self.name(), path.display()),
            "no host key of this type: none is made beside others, the hint adds one"
        );
    }

    /// Returns a new key: PKCS#1 and SEC1 PEM as other tools expect, OpenSSH form for Ed25519.
    fn make(self) -> Result<String, Fault> {
        match self {
            Self::Rsa => make_rsa(),
            Self::Ecdsa => make_ecdsa(),
            Self::Ed25519 => make_ed25519(),
        }
    }
}

fn make_rsa() -> Result<String, Fault> {
    let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa4096).map_err(unspecified)?;
    let document: Pkcs8V1Der<'_> = key.as_der().map_err(unspecified)?;
    let inner = pkcs1_of(document.as_ref()).ok_or_else(|| Fault::internal("unexpected PKCS#8"))?;
    Ok(pem("RSA PRIVATE KEY", inner))
}

fn make_ecdsa() -> Result<String, Fault> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(unspecified)?;
    let document: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().map_err(unspecified)?;
    Ok(pem("EC PRIVATE KEY", document.as_ref()))
}

fn make_ed25519() -> Result<String, Fault> {
    let pair = Ed25519Keypair::from_seed(&rand::random());
    PrivateKey::from(pair)
        .to_openssh(LineEnding::LF)
        .map(|text| text.to_string())
        .map_err(|error| Fault::internal("encoding the key").because(error))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unspecified(_: aws_lc_rs::error::Unspecified) -> Fault {
    Fault::internal("the key cannot be made")
}

/// Returns the PKCS#1 part of a PKCS#8 document: SEQUENCE { version, algorithm, OCTET STRING }
/// (RFC 5208 section 5).
fn pkcs1_of(document: &[u8]) -> Option<&[u8]> {
    let (body, _) = der_value(document, 0x30)?;
    let (_, rest) = der_value(body, 0x02)?;
    let (_, rest) = der_value(rest, 0x30)?;
    der_value(rest, 0x04).map(|(key, _)| key)
}

/// Returns the content of the DER element with this tag at the start, and what follows it.
fn der_value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
    let length =
        digits.iter().try_fold(0usize, |n, d| n.checked_mul(256)?.checked_add(usize::from(*d)))?;
    rest.split_at_checked(length)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[expect(clippy::disallowed_methods, reason = "host keys are the server's own files")]
fn read(path: &Path) -> Result<PrivateKey, Fault> {
    let context = || format!("host key {}", path.display());
    let text = fs::read_to_string(path)
        .map_err(|error| Fault::invalid("unreadable host key").because(error).context(context()))?;
    let decoded = decode_secret_key(&text, None);
    decoded.or_else(|error| short_scalar::decode(&text).ok_or(error)).map_err(|error| {
        let flaw = ferryd_runtime::key_file::flaw(&text);
        let told =
            format!("unusable host key: {}", flaw.unwrap_or("it is damaged or of an unknown type"));
        Fault::invalid(told).because(error).context(context())
    })
}

/// Writes a private key for the server's user only, and its public part beside it for everybody.
fn store(path: &Path, text: &str) -> Result<(), Fault> {
    let fault = |error| Fault::unavailable(format!("writing {}", path.display())).because(error);
    write_new(path, text, 0o600).map_err(fault)?;
    let key = read(path)?;
    let public = key
        .public_key()
        .to_openssh()
        .map_err(|error| Fault::internal("encoding the public key").because(error))?;
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    match write_new(&PathBuf::from(public_path), &format!("{public}\n"), 0o644) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(fault(error)),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_are_made_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let config = SftpdConfig::default();
        let first = load(&config, folder.path()).unwrap();
        let second = load(&config, folder.path()).unwrap();
        let fingerprints = |keys: &[PrivateKey]| {
            keys.iter()
                .map(|key| key.fingerprint(Default::default()).to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(first.len(), 3);
        assert_eq!(fingerprints(&first), fingerprints(&second));
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text("id_rsa").starts_with("-----BEGIN RSA PRIVATE KEY-----"));
        assert!(text("id_ecdsa").starts_with("-----BEGIN EC PRIVATE KEY-----"));
        assert!(text("id_ed25519.pub").starts_with("ssh-ed25519 "));
        let mode = |name: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode("id_rsa"), 0o600);
        std::fs::write(folder.path().join("any"), "").unwrap();
        assert_eq!(mode("id_rsa.pub"), mode("any") & 0o644);
    }

    #[test]
    fn no_key_is_made_beside_others() {
        let folder = tempfile::tempdir().unwrap();
        load(&SftpdConfig::default(), folder.path()).unwrap();
        for (gone, left) in [("id_ed25519", 2), ("id_rsa", 1)] {
            std::fs::remove_file(folder.path().join(gone)).unwrap();
            assert_eq!(load(&SftpdConfig::default(), folder.path()).unwrap().len(), left);
            assert!(!folder.path().join(gone).exists(), "{gone}");
        }
    }

    #[test]
    fn an_unreadable_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("id_rsa"), "nonsense").unwrap();
        let fault = load(&SftpdConfig::default(), folder.path()).unwrap_err();
        assert!(fault.to_string().contains("id_rsa"), "{fault}");
    }
}
