//! PBKDF2 (RFC 8018): `$pbkdf2-<digest>$<iterations>$<salt>$<base64 of the key>`.
//! The salt is the text itself, not base64.

use ::pbkdf2::pbkdf2_hmac_array;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// About ten seconds of work.
const MAX_ITERATIONS: u32 = 10_000_000;

/// Tells whether clear text belongs to a hash of bounded cost.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    let mut parts = hash.split('$').skip(1);
    let (Some(digest), Some(iterations), Some(salt), Some(key), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(iterations) = parse_iterations(iterations) else { return false };
    let Ok(key) = STANDARD.decode(key) else { return false };
    let Some(length) = digest_length(digest) else { return false };
    key.len() == length && derive(digest, clear, salt.as_bytes(), iterations).ct_eq(&key).into()
}

fn parse_iterations(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| (1..=MAX_ITERATIONS).contains(count))
}

fn digest_length(digest: &str) -> Option<usize> {
    match digest {
        "pbkdf2-sha1" => Some(20),
        "pbkdf2-sha256" => Some(32),
        "pbkdf2-sha512" => Some(64),
        _ => None,
    }
}

fn derive(digest: &str, clear: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    match digest {
        "pbkdf2-sha1" => pbkdf2_hmac_array::<sha1::Sha1, 20>(clear, salt, iterations).to_vec(),
        "pbkdf2-sha256" => pbkdf2_hmac_array::<sha2::Sha256, 32>(clear, salt, iterations).to_vec(),
        "pbkdf2-sha512" => pbkdf2_hmac_array::<sha2::Sha512, 64>(clear, salt, iterations).to_vec(),
        _ => Vec::new(),
    }
}
