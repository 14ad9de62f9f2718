//! yescrypt, `$y$`: what Debian, Ubuntu and Fedora put into `/etc/shadow`.

use ::yescrypt::{Mode, Params, PasswordVerifier as _, Yescrypt};

/// A stored hash may ask for this much at most. The time grows with the memory; this much takes
/// some seconds.
const MAX_MEMORY: u64 = 1 << 30;
/// Letters of the 32 bytes that crypt(3) makes.
const KEY_LETTERS: usize = 43;

/// Tells whether clear text belongs to a hash of bounded cost.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    // A shorter key would be compared with as many bytes: an empty one with none.
    let whole = hash.rsplit('$').next().is_some_and(|key| key.len() == KEY_LETTERS);
    whole && memory(hash).is_some() && Yescrypt::default().verify_password(clear, hash).is_ok()
}

/// Returns the memory of a check, at least 1 MiB; 1 for a hash that is not going to be computed.
pub(super) fn memory_mib(hash: &str) -> u32 {
    let mib = memory(hash).unwrap_or_default().div_ceil(1 << 20).max(1);
    u32::try_from(mib).unwrap_or(1)
}

/// Returns the bytes that a check takes; `None` unless all parameters but the memory are those
/// that crypt(3) uses: others make a check longer.
fn memory(hash: &str) -> Option<u64> {
    let text = hash.strip_prefix("$y$")?.split('$').next()?;
    let params: Params = text.parse().ok()?;
    let usual = Params::new(Mode::default(), params.n(), params.r(), 1).ok()?;
    let bytes = params.n().checked_mul(u64::from(params.r()))?.checked_mul(128)?;
    (usual == params && bytes <= MAX_MEMORY).then_some(bytes)
}
