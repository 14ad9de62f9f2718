//! One `authorized_keys` line: its algorithm and its key blob. Options and comment are ignored.

use base64::Engine;

use crate::Fault;

/// The parts of a line that identify a key (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyLine {
    /// Name of the algorithm, e.g. `ssh-ed25519`.
    pub algorithm: String,
    /// The key in wire form (RFC 4253 section 6.6).
    pub blob: Vec<u8>,
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
        let (algorithm, fields, encoded) =
            find_algorithm(line).ok_or_else(|| Fault::invalid("no known key type"))?;
        let blob = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|_| Fault::invalid("the key is not base64"))?;
        if !has_shape(&blob, algorithm, fields) {
            return Err(Fault::invalid("the key does not have the form of its type"));
        }
        Ok(Self { algorithm: algorithm.to_owned(), blob })
    }
}

/// Returns the algorithm, its number of fields, and the word behind it.
fn find_algorithm(line: &str) -> Option<(&'static str, usize, &str)> {
    let words = split_words(line);
    words.windows(2).take(2).find_map(|pair| match pair {
        [name, encoded] => ALGORITHMS
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(known, fields)| (known, fields, *encoded)),
        _ => None,
    })
}

/// Splits at blanks outside of double quotes, as options may hold quoted blanks. A quote behind a
/// backslash is part of what is quoted.
fn split_words(line: &str) -> Vec<&str> {
    let (mut quoted, mut escapes) = (false, false);
    line.split(|letter: char| {
        if letter == '"' && !escapes {
            quoted = !quoted;
        }
        escapes = letter == '\\';
        !quoted && (letter == ' ' || letter == '\t')
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
