//! What a text is that somebody sends as a password: a password, a hash that can be checked, one
//! that cannot, or the mark of an account without password. A hash of another system must not
//! become a password: whoever has read it could log in with it.

use super::is_hash;

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A password.
    Clear,
    /// A hash that can be checked; a malformed one matches nothing.
    Hash,
    /// The account has no password, or one that is locked (shadow(5)).
    NoPassword,
    /// A hash of this form, which cannot be checked.
    Foreign(String),
}

/// What 13 letters and digits are: a password, or a hash by DES (crypt(3)). They look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesHashes {
    /// A password.
    Clear,
    /// A hash that cannot be checked.
    Refused,
}

/// Beginnings that no password has by chance: crypt(5), PHC strings, Passlib, Django, Werkzeug,
/// PostgreSQL.
const PREFIXES: [&str; 23] = [
    "$7$",
    "$gy$",
    "$sm3$",
    "$sm3y$",
    "$2$",
    "$2x$",
    "$argon2i$",
    "$argon2d$",
    "$scrypt$",
    "$pbkdf2",
    "$bcrypt-sha256$",
    "$sha1$",
    "$md5$",
    "$md5,",
    "pbkdf2_sha1$",
    "pbkdf2_sha256$",
    "argon2$argon2",
    "bcrypt_sha256$$2",
    "bcrypt$$2",
    "pbkdf2:sha",
    "SCRAM-SHA-1$",
    "SCRAM-SHA-256$",
    "SCRAM-SHA-512$",
];

/// Shorter beginnings, which only count before as many letters as the hash has: NT hashes, phpass,
/// Drupal, Cisco, Django, Werkzeug.
const LONG: [(&str, usize); 10] = [
    ("$3$", 36),
    ("$P$", 34),
    ("$H$", 34),
    ("$S$", 55),
    ("$8$", 60),
    ("$9$", 60),
    ("scrypt$", 80),
    ("scrypt:", 80),
    ("sha1$", 46),
    ("md5$", 37),
];

/// Schemes of LDAP (RFC 2307 section 5.3) and Dovecot, without their variants.
const SCHEMES: [&str; 20] = [
    "SHA",
    "SSHA",
    "MD5",
    "SMD5",
    "CRYPT",
    "PBKDF2",
    "ARGON2",
    "BCRYPT",
    "BLF-CRYPT",
    "DES-CRYPT",
    "SCRYPT",
    "SCRAM",
    "CRAM-MD5",
    "DIGEST-MD5",
    "PLAIN",
    "CLEAR",
    "NT",
    "LANMAN",
    "LM",
    "SASL",
];

/// Marks of accounts that cannot log in with a password; a hash behind one is locked.
const LOCKS: [&str; 6] = ["*LK*", "*NP*", "*LOCKED*", "!!", "!", "*"];

/// Returns what a text is. Only its beginning and its length are looked at.
pub fn form(text: &str, des: DesHashes) -> Form {
    if is_hash(text) {
        return Form::Hash;
    }
    if let Some(name) = foreign(text, des) {
        return Form::Foreign(name);
    }
    if is_locked(text, des) { Form::NoPassword } else { Form::Clear }
}

fn is_locked(text: &str, des: DesHashes) -> bool {
    // OpenBSD fills the place of a DES hash with stars.
    text == "!*"
        || text == "*************"
        || LOCKS.iter().any(|lock| {
            let rest = text.strip_prefix(lock);
            rest.is_some_and(|rest| {
                rest.is_empty() || is_hash(rest) || foreign(rest, des).is_some()
            })
        })
}

fn foreign(text: &str, des: DesHashes) -> Option<String> {
    let prefix = PREFIXES.into_iter().find(|prefix| text.starts_with(prefix));
    let long = || {
        LONG.into_iter().find(|(prefix, least)| text.starts_with(prefix) && text.len() >= *least)
    };
    prefix
        .or_else(|| long().map(|(prefix, _)| prefix))
        .map(str::to_owned)
        .or_else(|| scheme(text))
        .or_else(|| database(text).map(str::to_owned))
        .or_else(|| (des == DesHashes::Refused && is_des(text)).then(|| "DES (crypt)".to_owned()))
}

/// Returns the scheme with its braces.
fn scheme(text: &str) -> Option<String> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let upper = name.to_ascii_uppercase();
    let known = SCHEMES.iter().any(|scheme| {
        upper.strip_prefix(scheme).is_some_and(|rest| {
            // SSHA256, SHA512-CRYPT, PBKDF2-SHA256, SSHA.B64, CLEARTEXT.
            rest.is_empty()
                || rest.starts_with(|c: char| c.is_ascii_digit() || "-_.".contains(c))
                || rest == "TEXT"
        })
    });
    (known && upper.len() <= 20).then(|| format!("{{{upper}}}"))
}

/// Accounts of MySQL and PostgreSQL.
fn database(text: &str) -> Option<&'static str> {
    let hex =
        |rest: &str, length| rest.len() == length && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if text.strip_prefix('*').is_some_and(|rest| hex(rest, 40)) {
        return Some("mysql_native_password");
    }
    text.strip_prefix("md5").is_some_and(|rest| hex(rest, 32)).then_some("md5 of PostgreSQL")
}

fn is_des(text: &str) -> bool {
    let letters = |text: &str, count| {
        text.len() == count && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b))
    };
    letters(text, 13) || text.strip_prefix('_').is_some_and(|rest| letters(rest, 19))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq";

    #[test]
    fn hashes_of_other_systems_are_told_by_name() {
        for (text, name) in [
            ("$7$CU..../....AbCdEfGh$QjXqhzI6rIApL1MvSY59rSeY0n2wAOKITwKn443Jh98", "$7$"),
            ("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "$2x$"),
            ("$argon2i$v=19$m=4096,t=1,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU", "$argon2i$"),
            ("$argon2d$v=19$m=4096,t=1,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU", "$argon2d$"),
            ("$pbkdf2$131000$salt$hash", "$pbkdf2"),
            ("$P$984478476IagS59wHZvyQMArzfx58u.", "$P$"),
            ("$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf", "$S$"),
            ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gBAgME", "{SSHA}"),
            ("{crypt}$6$saltsalt$qFmFH", "{CRYPT}"),
            ("{SSHA512}AAAA", "{SSHA512}"),
            ("{SHA512-CRYPT}$6$x", "{SHA512-CRYPT}"),
            ("{PBKDF2-SHA256}10000$x", "{PBKDF2-SHA256}"),
            ("{SSHA.HEX}00", "{SSHA.HEX}"),
            ("{CLEARTEXT}secret", "{CLEARTEXT}"),
            ("pbkdf2_sha256$1000$salt$YWJj", "pbkdf2_sha256$"),
            ("bcrypt_sha256$$2b$12$x", "bcrypt_sha256$$2"),
            ("sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "sha1$"),
            ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "mysql_native_password"),
            ("md532e12f215ba27cb750c9e093ce4b5127", "md5 of PostgreSQL"),
        ] {
            assert_eq!(form(text, DesHashes::Clear), Form::Foreign(name.to_owned()), "{text}");
        }
    }

    #[test]
    fn locked_accounts_have_no_password() {
        let locked = ["!", "!!", "*", "!*", "*LK*", "*NP*", "*LOCKED*", "*************"];
        for text in locked {
            assert_eq!(form(text, DesHashes::Clear), Form::NoPassword, "{text}");
        }
        for lock in ["!", "!!", "*LK*", "*LOCKED*", "*"] {
            for hash in [SHA, "$y$j9T$x$y", "$7$CU..../....AbCdEfGh$QjXq"] {
                let text = format!("{lock}{hash}");
                assert_eq!(form(&text, DesHashes::Clear), Form::NoPassword, "{text}");
            }
        }
    }

    #[test]
    fn passwords_stay_passwords() {
        for text in [
            "",
            "secret",
            "!secret",
            "*secret",
            "!!!",
            "$ecret",
            "$2secret",
            "{secret}",
            "{SHAme}x",
            "{SSHA",
            "scrypt$x",
            "sha1$x",
            "md5",
            "x",
            "$P$x",
            "d41d8cd98f00b204e9800998ecf8427e",
            "abJnggxhB/yWI",
            "_J9..rasmBYk8r9AiWNc",
            "$$$",
            "!abJnggxhB/yWI",
        ] {
            assert_eq!(form(text, DesHashes::Clear), Form::Clear, "{text}");
        }
        assert_eq!(form(SHA, DesHashes::Clear), Form::Hash);
    }

    #[test]
    fn hashes_by_des_are_told_by_the_switch_alone() {
        for text in ["abJnggxhB/yWI", "_J9..rasmBYk8r9AiWNc"] {
            assert!(matches!(form(text, DesHashes::Refused), Form::Foreign(_)), "{text}");
            let locked = format!("!{text}");
            assert_eq!(form(&locked, DesHashes::Refused), Form::NoPassword, "{locked}");
        }
        assert_eq!(form("abJnggxhB/yW", DesHashes::Refused), Form::Clear);
    }
}
