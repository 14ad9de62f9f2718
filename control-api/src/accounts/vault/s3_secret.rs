//! Forms of a stored S3 secret. Ours is `$aes$<blob>`, sealed with the server's key; the old one is
//! `$aes$<key>$<blob>`, readable by everybody who has the text. A blob is nonce, ciphertext and tag in hex.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ferryd_domain::{Fault, Secret};

const PREFIX: &str = "$aes$";
/// Hex digits of an old key; the digits themselves are the 32 bytes of the key.
const OLD_KEY: usize = 32;

/// A key of AES-256.
pub(super) type KeyBytes = Secret<[u8; 32]>;

/// Tells whether a text has our form; only [`open`] can tell whether it is ours.
pub(super) fn looks_sealed(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|blob| !blob.is_empty() && !blob.contains('$'))
}

/// Seals a secret.
pub(super) fn seal(key: &KeyBytes, clear: &Secret<String>) -> Result<Secret<String>, Fault> {
    Ok(Secret::new(format!("{PREFIX}{}", sealed_blob(key.expose(), clear)?)))
}

/// Opens a secret of our form.
pub(super) fn open(key: &KeyBytes, text: &str) -> Result<Secret<String>, Fault> {
    let blob = text.strip_prefix(PREFIX).ok_or_else(unreadable)?;
    open_blob(key.expose(), blob)
}

/// Opens a secret of the old form; `None` when the text has another one.
pub(super) fn clear_of_old_form(text: &str) -> Result<Option<Secret<String>>, Fault> {
    let Some((key, blob)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('$')) else {
        return Ok(None);
    };
    if key.len() != OLD_KEY || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    open_blob(key.as_bytes(), blob).map(Some)
}

/// Seals a secret with a new key that goes with it.
pub(super) fn in_old_form(clear: &Secret<String>) -> Result<Secret<String>, Fault> {
    let mut random = [0; OLD_KEY / 2];
    fill(&mut random)?;
    let key = hex::encode(random);
    let blob = sealed_blob(key.as_bytes(), clear)?;
    Ok(Secret::new(format!("{PREFIX}{key}${blob}")))
}

/// Fills a buffer with random bytes.
pub(super) fn fill(buffer: &mut [u8]) -> Result<(), Fault> {
    aws_lc_rs::rand::fill(buffer).map_err(|_| Fault::internal("no random bytes"))
}

fn sealed_blob(key: &[u8], clear: &Secret<String>) -> Result<String, Fault> {
    let mut nonce = [0; NONCE_LEN];
    fill(&mut nonce)?;
    let mut text = clear.expose().clone().into_bytes();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
        .map_err(|_| Fault::internal("seal a secret"))?;
    Ok(format!("{}{}", hex::encode(nonce), hex::encode(text)))
}

fn open_blob(key: &[u8], blob: &str) -> Result<Secret<String>, Fault> {
    let bytes = hex::decode(blob).map_err(|_| unreadable())?;
    let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
    let mut text = text.to_vec();
    let clear =
        cipher(key)?.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| unreadable())?;
    let clear = String::from_utf8(clear.to_vec()).map_err(|_| unreadable())?;
    Ok(Secret::new(clear))
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, Fault> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| unreadable())
}

fn unreadable() -> Fault {
    Fault::invalid("s3config: access_secret cannot be decrypted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear() -> Secret<String> {
        Secret::new("wJalrXUtnFEMI/K7MDENG".to_owned())
    }

    #[test]
    fn what_was_sealed_can_be_opened_with_the_same_key_only() {
        let key = Secret::new([7; 32]);
        let sealed = seal(&key, &clear()).unwrap();
        assert!(looks_sealed(sealed.expose()) && !sealed.expose().contains("wJal"));
        assert_eq!(open(&key, sealed.expose()).unwrap(), clear());
        assert!(open(&Secret::new([8; 32]), sealed.expose()).is_err());
        assert_ne!(seal(&key, &clear()).unwrap(), sealed);
    }

    #[test]
    fn the_old_form_carries_its_key() {
        let old = in_old_form(&clear()).unwrap();
        assert!(!looks_sealed(old.expose()));
        assert_eq!(clear_of_old_form(old.expose()).unwrap(), Some(clear()));
    }

    #[test]
    fn the_old_form_of_another_program_is_read() {
        // Made with the AESGCM class of Python's cryptography package: key as text, nonce 0 to 11.
        let old = "$aes$000102030405060708090a0b0c0d0e0f$\
                   000102030405060708090a0b2a04ef05161c2127b6942f0d112ba796a6318a75786681b6884aaa";
        assert_eq!(clear_of_old_form(old).unwrap(), Some(Secret::new("open sesame".to_owned())));
        assert!(clear_of_old_form(&old.replace("$00", "$01")).is_err());
    }

    #[test]
    fn other_texts_are_not_of_the_old_form() {
        for text in ["plain$text", "$aes$short$00", "$aes$00", "", "$aes$$"] {
            assert_eq!(clear_of_old_form(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn broken_blobs_are_errors_and_never_panics() {
        let key = Secret::new([7; 32]);
        for text in ["$aes$", "$aes$0", "$aes$zz", "$aes$00", &format!("$aes${}", "0".repeat(60))] {
            assert!(open(&key, text).is_err(), "{text}");
        }
    }
}
