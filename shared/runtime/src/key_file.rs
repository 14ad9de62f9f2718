//! What is wrong with a file that should hold a private key, in words that tell what to do.

/// Beginnings of files that are something else.
const OTHERS: [(&str, &str); 6] = [
    ("ssh-", PUBLIC),
    ("ecdsa-sha2-", PUBLIC),
    ("sk-", PUBLIC),
    ("---- BEGIN SSH2 PUBLIC KEY", PUBLIC),
    ("-----BEGIN PUBLIC KEY", PUBLIC),
    ("PuTTY-User-Key-File", "it is a key of PuTTY: export it with puttygen -O private-openssh"),
];
const PUBLIC: &str = "it is a public key: name the private one, most often the file without .pub";
const PASS_PHRASE: &str = "it is protected by a pass phrase, which nobody can type at a start: store \
    it without one (ssh-keygen -p for SSH, openssl pkey for HTTPS)";
/// The base64 of an OpenSSH key (PROTOCOL.key) up to the name of its cipher, and the same with
/// `none`.
const OPENSSH: &str = "b3BlbnNzaC1rZXktdjEAAAAA";
const OPENSSH_PLAIN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";

/// Returns what keeps a text from being a private key that can be used; `None` when nothing of that
/// shows.
pub fn flaw(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    if text.is_empty() {
        return Some("it is empty");
    }
    if let Some((_, flaw)) = OTHERS.iter().find(|(beginning, _)| text.starts_with(beginning)) {
        return Some(flaw);
    }
    if is_encrypted(text) {
        return Some(PASS_PHRASE);
    }
    let has = |label: &str| text.contains(label);
    match () {
        () if has("BEGIN DSA PRIVATE KEY") => {
            Some("it is a DSA key, which nobody accepts any more")
        }
        () if has("PRIVATE KEY-----") => None,
        () if has("BEGIN CERTIFICATE") => Some("it is a certificate: name the private key"),
        () => Some("it holds no private key"),
    }
}

fn is_encrypted(text: &str) -> bool {
    let openssh = text.lines().find(|line| line.starts_with(OPENSSH));
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || openssh.is_some_and(|line| !line.starts_with(OPENSSH_PLAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_named() {
        for (text, told) in [
            (" \n", "empty"),
            ("ssh-ed25519 AAAA x", "without .pub"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA x", "public key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA", "pass phrase"),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "pass phrase"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI",
                "pass phrase",
            ),
            ("PuTTY-User-Key-File-3: ssh-ed25519", "puttygen"),
            ("-----BEGIN CERTIFICATE-----\nAAAA", "certificate"),
            ("-----BEGIN DSA PRIVATE KEY-----\nAAAA", "DSA"),
            ("hello", "no private key"),
        ] {
            assert!(flaw(text).is_some_and(|flaw| flaw.contains(told)), "{text}");
        }
        for text in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
            "-----BEGIN PRIVATE KEY-----\nAAAA",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN EC PRIVATE KEY-----\nAAAA",
        ] {
            assert_eq!(flaw(text), None, "{text}");
        }
    }
}
