//! One `authorized_keys` line: its algorithm, its key blob, and what it demands of who signs. Other
//! options and the comment are ignored.

use base64::Engine;

use crate::Fault;

/// The parts of a line that identify a key (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyLine {
    /// Name of the algorithm, e.g. `ssh-ed25519`.
    pub algorithm: String,
    /// The key in wire form (RFC 4253 section 6.6).
    pub blob: Vec<u8>,
    /// Whether it is a security key that has to know who signs (`verify-required`).
    pub demands_verification: bool,
}

/// Algorithms and how many fields follow the name in the blob.
const ALGORITHMS: [(&str, usize); 8] = [
    ("ssh-ed25519", 1),
    ("ssh-rsa", 2),
    ("ssh-dss", 4),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
];

impl PublicKeyLine {
    /// Parses one line.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown algorithm, broken base64 or a blob of another shape.
    pub fn parse(line: &str) -> Result<Self, Fault> {
        let line = line.trim();
        if line.contains(['\n', '\r', '\0']) {
            return Err(Fault::invalid("more than one line"));
        }
        let words = split_words(line);
        let (options, (algorithm, fields, encoded)) =
            find_algorithm(&words).ok_or_else(|| Fault::invalid("no known key type"))?;
        let blob = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|_| Fault::invalid("the key is not base64"))?;
        if !has_shape(&blob, algorithm, fields) {
            return Err(Fault::invalid("the key does not have the form of its type"));
        }
        let demands_verification =
            algorithm.starts_with("sk-") && has_option(options, "verify-required");
        Ok(Self { algorithm: algorithm.to_owned(), blob, demands_verification })
    }
}

/// An algorithm, its number of fields, and the word behind it.
type Found<'a> = (&'static str, usize, &'a str);

/// Returns the word with the options, empty without them, and what follows.
fn find_algorithm<'a>(words: &[&'a str]) -> Option<(&'a str, Found<'a>)> {
    let key = |name: &str, encoded: &'a str| {
        let (known, fields) = ALGORITHMS.into_iter().find(|(known, _)| *known == name)?;
        Some((known, fields, encoded))
    };
    let bare = match *words {
        [name, encoded, ..] => key(name, encoded),
        _ => None,
    };
    match *words {
        [options, name, encoded, ..] if bare.is_none() => Some((options, key(name, encoded)?)),
        _ => bare.map(|found| ("", found)),
    }
}

/// Tells whether an option without value is set. As in sshd, case does not matter.
fn has_option(options: &str, name: &str) -> bool {
    split_unquoted(options, &[',']).into_iter().any(|option| option.eq_ignore_ascii_case(name))
}

fn split_words(line: &str) -> Vec<&str> {
    split_unquoted(line, &[' ', '\t'])
}

/// Splits outside of double quotes, as options may hold quoted blanks and commas. A quote behind a
/// backslash is part of what is quoted.
fn split_unquoted<'a>(line: &'a str, at: &[char]) -> Vec<&'a str> {
    let (mut quoted, mut escapes) = (false, false);
    line.split(|letter: char| {
        if letter == '"' && !escapes {
            quoted = !quoted;
        }
        escapes = letter == '\\';
        !quoted && at.contains(&letter)
    })
    .filter(|word| !word.is_empty())
    .collect()
}

fn has_shape(blob: &[u8], algorithm: &str, fields: usize) -> bool {
    let mut rest = blob;
    let mut count = 0;
    while !rest.is_empty() {
        let Some((field, tail)) = read_string(rest) else { return false };
        if count == 0 && field != algorithm.as_bytes() || field.is_empty() {
            return false;
        }
        if algorithm == "ssh-ed25519" && count == 1 && field.len() != 32 {
            return false;
        }
        count += 1;
        rest = tail;
    }
    count == fields + 1
}

fn read_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";

    #[test]
    fn options_and_comment_do_not_matter() {
        let bare = PublicKeyLine::parse(&format!("ssh-ed25519 {KEY}")).unwrap();
        for line in [
            format!("ssh-ed25519 {KEY} bob@host"),
            format!("no-pty,command=\"echo a b\" ssh-ed25519 {KEY} x"),
            format!("  ssh-ed25519   {KEY}\n"),
            format!("command=\"say \\\"a b\\\" twice\" ssh-ed25519 {KEY}"),
            format!("command=\"say \\\"\",no-pty ssh-ed25519 {KEY} a \"comment"),
            format!("environment=\"A=\\\"\"\tssh-ed25519\t{KEY}"),
        ] {
            assert_eq!(PublicKeyLine::parse(&line).unwrap(), bare, "{line}");
        }
    }

    const SECURITY_KEY: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZAAAABHNzaDo=";

    #[test]
    fn a_security_key_may_demand_verification() {
        for (options, demands) in [
            ("", false),
            ("no-touch-required ", false),
            ("verify-required ", true),
            ("no-pty,Verify-Required,restrict ", true),
            ("command=\"a,b\",verify-required ", true),
            ("command=\"a,verify-required,b\" ", false),
            ("no-verify-required ", false),
        ] {
            let line = format!("{options}{SECURITY_KEY} verify-required");
            let parsed = PublicKeyLine::parse(&line).unwrap();
            assert_eq!(parsed.demands_verification, demands, "{line}");
        }
        let plain = format!("verify-required ssh-ed25519 {KEY}");
        assert!(!PublicKeyLine::parse(&plain).unwrap().demands_verification);
    }

    #[test]
    fn broken_keys_are_refused() {
        for line in [
            "".to_owned(),
            "ssh-ed25519".to_owned(),
            "ssh-ed25519 !!!".to_owned(),
            format!("ssh-rsa {KEY}"),
            format!("ssh-ed25519 {}", &KEY[..40]),
            "hello world".to_owned(),
            format!("command=\"never closed \\\" ssh-ed25519 {KEY}"),
        ] {
            assert!(PublicKeyLine::parse(&line).is_err(), "{line}");
        }
    }
}
