//! ECDSA keys of P-256 in OpenSSH's format whose secret number is short. OpenSSH writes it without
//! leading zero bytes (RFC 4251 section 5, mpint), one of 256 has some, and the library wants 32.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

use super::pem;

/// Bytes of the secret number.
const LENGTH: usize = 32;
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// Start of the format (PROTOCOL.key of OpenSSH).
const MAGIC: &[u8] = b"openssh-key-v1\0";
const ALGORITHM: &[u8] = b"ecdsa-sha2-nistp256";

/// Returns such a key, or nothing for every other text.
pub(super) fn decode(text: &str) -> Option<PrivateKey> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let blob = Zeroizing::new(STANDARD.decode(body.as_bytes()).ok()?);
    let scalar = short_scalar(&blob)?;
    decode_secret_key(&sec1(scalar)?, None).ok()
}

/// Finds the number in a key without pass phrase.
fn short_scalar(blob: &[u8]) -> Option<&[u8]> {
    let rest = blob.strip_prefix(MAGIC)?;
    let (cipher, rest) = string(rest)?;
    let (_kdf, rest) = string(rest)?;
    let (_kdf_options, rest) = string(rest)?;
    let (_number_of_keys, rest) = rest.split_at_checked(4)?;
    let (_public, rest) = string(rest)?;
    let (private, _) = string(rest)?;
    let (_check, rest) = private.split_at_checked(8)?;
    let (algorithm, rest) = string(rest)?;
    let (_curve, rest) = string(rest)?;
    let (_point, rest) = string(rest)?;
    let (scalar, _) = string(rest)?;
    let is_short = !scalar.is_empty() && scalar.len() < LENGTH;
    (cipher == b"none" && algorithm == ALGORITHM && is_short).then_some(scalar)
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Returns the key as `ECPrivateKey` (RFC 5915): version 1, the number in full length, the curve.
fn sec1(scalar: &[u8]) -> Option<Zeroizing<String>> {
    let mut der = Zeroizing::new(vec![0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20]);
    der.extend(std::iter::repeat_n(0, LENGTH.checked_sub(scalar.len())?));
    der.extend_from_slice(scalar);
    der.extend([0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    Some(Zeroizing::new(pem("EC PRIVATE KEY", &der)))
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::LineEnding;
    use russh::keys::ssh_key::encoding::Encode;

    use super::*;

    /// Returns what OpenSSH writes for a secret number, and the key.
    fn written(number: &[u8; LENGTH]) -> (String, PrivateKey) {
        let short: &[u8] = &number[number.iter().position(|byte| *byte != 0).unwrap()..];
        let key = decode_secret_key(&sec1(number).unwrap(), None).unwrap();
        let public = key.public_key().to_bytes().unwrap();
        let mut private = vec![7; 8];
        private.extend(&public);
        if short[0] >= 0x80 {
            [&[0], short].concat().encode(&mut private).unwrap();
        } else {
            short.encode(&mut private).unwrap();
        }
        "comment".encode(&mut private).unwrap();
        private.extend((1..).take(private.len().next_multiple_of(8) - private.len()));
        let mut blob = MAGIC.to_vec();
        for text in ["none", "none", ""] {
            text.encode(&mut blob).unwrap();
        }
        blob.extend([0, 0, 0, 1]);
        public.encode(&mut blob).unwrap();
        private.encode(&mut blob).unwrap();
        let body = STANDARD.encode(blob);
        let lines: Vec<_> = body.as_bytes().chunks(70).map(String::from_utf8_lossy).collect();
        (format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")), key)
    }

    #[test]
    fn a_key_is_read_however_many_leading_zeros_its_number_has() {
        for round in 0..64 {
            for zeros in [0, 1, 2, 5] {
                let mut number: [u8; LENGTH] = rand::random();
                number[..zeros].fill(0);
                number[zeros] = if round % 2 == 0 { 0x7f } else { 0x80 };
                let (text, key) = written(&number);
                let read = decode_secret_key(&text, None).ok().or_else(|| decode(&text));
                assert_eq!(read.unwrap().public_key().key_data(), key.public_key().key_data());
            }
        }
    }

    #[test]
    fn other_texts_are_left_alone() {
        let (text, key) = written(&[0x11; LENGTH]);
        assert!(decode(&text).is_none());
        assert!(decode(&key.to_openssh(LineEnding::LF).unwrap()).is_none());
        let mut number = [0x11; LENGTH];
        number[0] = 0;
        let (text, _) = written(&number);
        assert!(decode(&text).is_some());
        for end in 0..text.len() - 100 {
            let cut = format!("{}\n{END}\n", &text[..end]);
            assert!(decode(&cut).is_none_or(|key| key.algorithm().as_str().contains("nistp256")));
        }
    }
}
