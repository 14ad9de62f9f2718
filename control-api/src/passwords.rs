//! Password hashes: which formats are known, how clear text is hashed and checked.
//! A malformed hash never matches. The work runs on threads of its own, bounded by [`pool`].

mod argon2;
mod bcrypt;
mod form;
mod md5_crypt;
mod pbkdf2;
pub mod pool;
mod sha_crypt;
mod yescrypt;

use std::sync::{Arc, LazyLock};

use ferryd_domain::{Fault, Secret};

pub use form::{DesHashes, Form, form};
pub use pool::{Line, Origin, Pool, Verdict};

/// Checks clear text against a hash of one format.
type Check = fn(&str, &[u8]) -> bool;

/// Prefixes of hashes that are stored as they are sent.
const FORMATS: [(&str, Check); 12] = [
    ("$argon2id$", argon2::matches),
    ("$2a$", bcrypt::matches),
    ("$2b$", bcrypt::matches),
    ("$2y$", bcrypt::matches),
    ("$pbkdf2-sha1$", pbkdf2::matches),
    ("$pbkdf2-sha256$", pbkdf2::matches),
    ("$pbkdf2-sha512$", pbkdf2::matches),
    ("$1$", md5_crypt::matches),
    ("$apr1$", md5_crypt::matches),
    ("$5$", sha_crypt::matches),
    ("$6$", sha_crypt::matches),
    ("$y$", yescrypt::matches),
];

/// Prefixes that only old `.htpasswd` files have; accounts cannot have them.
const OLD_FORMATS: [(&str, Check); 2] = [("$2$", bcrypt::matches), ("$2x$", bcrypt::matches)];

/// A hash that nothing matches; checking it takes as long as checking a new one, so that a
/// client cannot tell by the time whether a name has an account.
pub(crate) const DECOY: &str = "$argon2id$v=19$m=65536,t=3,p=2$AAAAAAAAAAAAAAAAAAAAAA$\
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// One budget for the whole process.
static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::for_this_machine()));

/// Returns the pool that all password work of this process goes through.
pub fn shared_pool() -> Arc<Pool> {
    Arc::clone(&POOL)
}

/// Tells whether a stored password is a hash that can be checked.
pub fn is_hash(password: &str) -> bool {
    FORMATS.iter().any(|(prefix, _)| password.starts_with(prefix))
}

/// Hashes clear text with argon2id (64 MiB, 3 passes, 2 lanes).
///
/// # Errors
/// `Internal` when no random salt can be had or the memory cannot be allocated.
pub async fn hash(clear: Secret<String>) -> Result<Secret<String>, Fault> {
    POOL.run(argon2::NEW_MEMORY_MIB, move || argon2::hash(clear.expose().as_bytes())).await?
}

/// Tells whether clear text belongs to a hash of the API's users. They share one line: whoever
/// guesses there delays no login.
pub async fn verify(hash: &Secret<String>, clear: &Secret<String>) -> bool {
    let (hash, clear) = (hash.clone(), clear.clone());
    POOL.verify(Line::Api, Origin::Any, hash, clear).await == Verdict::Match
}

/// Tells whether clear text belongs to a hash, on the thread of the caller. Empty text never does.
pub(crate) fn matches(hash: &str, clear: &[u8]) -> bool {
    let check = FORMATS.iter().chain(&OLD_FORMATS).find(|(prefix, _)| hash.starts_with(prefix));
    match check {
        Some((_, check)) => !clear.is_empty() && check(hash, clear),
        None => false,
    }
}

/// Returns how much memory a check takes, in MiB.
pub(crate) fn memory_of(hash: &str) -> u32 {
    match hash {
        _ if hash.starts_with("$argon2id$") => argon2::memory_mib(hash),
        _ if hash.starts_with("$y$") => yescrypt::memory_mib(hash),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
