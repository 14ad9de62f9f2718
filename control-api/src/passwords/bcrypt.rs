//! bcrypt: `$2a$`, `$2b$`, `$2y$` and, from old files, `$2$` and `$2x$`.

/// Cost 17 takes about ten seconds; each step doubles it.
const MAX_COST: u32 = 17;

/// Tells whether clear text belongs to a hash of bounded cost.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    let hash = match hash.strip_prefix("$2$") {
        Some(rest) => format!("$2a${rest}"),
        None => hash.to_owned(),
    };
    hash.parse::<::bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() <= MAX_COST)
        && ::bcrypt::verify(clear, &hash).unwrap_or(false)
}
