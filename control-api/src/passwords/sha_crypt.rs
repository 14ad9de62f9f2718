//! SHA-crypt: `$5$` (SHA-256) and `$6$` (SHA-512), with and without `rounds=`.

use ::sha_crypt::{PasswordHashRef, PasswordVerifier, ShaCrypt};

use super::md5_crypt::MAX_CLEAR;

/// About five seconds of work for the longest password.
const MAX_ROUNDS: u32 = 2_000_000;

/// Tells whether clear text belongs to a hash of bounded cost.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    if clear.len() > MAX_CLEAR || !has_bounded_rounds(hash) {
        return false;
    }
    let Ok(hash) = PasswordHashRef::new(hash) else { return false };
    ShaCrypt::default().verify_password(clear, hash).is_ok()
}

fn has_bounded_rounds(hash: &str) -> bool {
    let second = hash.split('$').nth(2).unwrap_or_default();
    match second.strip_prefix("rounds=") {
        Some(count) => count.parse::<u32>().is_ok_and(|count| count <= MAX_ROUNDS),
        None => true,
    }
}
