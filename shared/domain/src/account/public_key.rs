//! One `authorized_keys` line: its algorithm, its key blob and its options. The comment is ignored.

mod expiry_time;
mod from_patterns;
mod options;

use base64::Engine;

pub use expiry_time::Zone;
pub use options::KeyOptions;

use crate::Fault;

/// The parts of a line that identify a key (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyLine {
    /// Name of the algorithm, e.g. `ssh-ed25519`.
    pub algorithm: String,
    /// The key in wire form (RFC 4253 section 6.6).
    pub blob: Vec<u8>,
    /// What stands before the key.
    pub options: KeyOptions,
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
        let options = KeyOptions::parse(options, algorithm);
        Ok(Self { algorithm: algorithm.to_owned(), blob, options })
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

fn split_words(line: &str) -> Vec<&str> {
    unquoted_parts(line, &[' ', '\t']).filter(|word| !word.is_empty()).collect()
}

/// Splits outside of double quotes, as options may hold quoted blanks and commas. A quote behind a
/// backslash is part of what is quoted.
fn unquoted_parts<'a>(line: &'a str, at: &[char]) -> impl Iterator<Item = &'a str> {
    let (mut quoted, mut escapes) = (false, false);
    line.split(move |letter: char| {
        if letter == '"' && !escapes {
            quoted = !quoted;
        }
        escapes = letter == '\\';
        !quoted && at.contains(&letter)
    })
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
    fn options_and_comment_are_told_from_the_key() {
        let bare = PublicKeyLine::parse(&format!("ssh-ed25519 {KEY}")).unwrap();
        for (line, plain) in [
            (format!("ssh-ed25519 {KEY} bob@host"), true),
            (format!("  ssh-ed25519   {KEY}\n"), true),
            (format!("no-pty,restrict\tssh-ed25519\t{KEY}"), true),
            (format!("no-pty,command=\"echo a b\" ssh-ed25519 {KEY} x"), false),
            (format!("command=\"say \\\"a b\\\" twice\" ssh-ed25519 {KEY}"), false),
            (format!("command=\"say \\\"\",no-pty ssh-ed25519 {KEY} a \"comment"), false),
            (format!("environment=\"A=\\\"\"\tssh-ed25519\t{KEY}"), false),
        ] {
            let parsed = PublicKeyLine::parse(&line).unwrap();
            assert_eq!(parsed.blob, bare.blob, "{line}");
            assert_eq!(parsed.options.objection().is_none(), plain, "{line}");
        }
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
