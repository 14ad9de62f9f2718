//! argon2id (RFC 9106) in PHC string form: the format of new hashes.

use ::argon2::password_hash::phc::PasswordHash;
use ::argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ::argon2::{Algorithm, Argon2, Params, Version};
use ferryd_domain::{Fault, Secret};

/// Memory of new hashes.
pub(super) const NEW_MEMORY_MIB: u32 = 64;
const NEW_PASSES: u32 = 3;
const NEW_LANES: u32 = 2;

/// A stored hash may ask for this much at most; one from elsewhere must not stop the process.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_LANES: u32 = 255;
/// Memory times passes, in KiB: about ten seconds of work.
const MAX_WORK_KIB: u64 = 8 * 1024 * 1024;

/// Hashes clear text with a random salt.
pub(super) fn hash(clear: &[u8]) -> Result<Secret<String>, Fault> {
    let params = Params::new(NEW_MEMORY_MIB * 1024, NEW_PASSES, NEW_LANES, Some(32))
        .map_err(|error| Fault::internal("argon2 parameters").because(error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2
        .hash_password(clear)
        .map_err(|error| Fault::internal("password cannot be hashed").because(error))?;
    Ok(Secret::new(hash.to_string()))
}

/// Tells whether clear text belongs to a hash of bounded cost.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    is_bounded(&hash) && Argon2::default().verify_password(clear, &hash).is_ok()
}

/// Returns the memory of a check, at least 1 MiB; 1 for a hash that is not going to be computed.
pub(super) fn memory_mib(hash: &str) -> u32 {
    PasswordHash::new(hash)
        .ok()
        .filter(is_bounded)
        .and_then(|hash| hash.params.get_decimal("m"))
        .map_or(1, |kib| kib.div_ceil(1024).max(1))
}

fn is_bounded(hash: &PasswordHash) -> bool {
    let number = |name: &str| hash.params.get_decimal(name);
    let (Some(memory), Some(passes), Some(lanes)) = (number("m"), number("t"), number("p")) else {
        return false;
    };
    memory <= MAX_MEMORY_KIB
        && lanes <= MAX_LANES
        && u64::from(memory) * u64::from(passes) <= MAX_WORK_KIB
}
