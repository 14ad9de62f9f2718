//! MD5-crypt: `$1$` of old shadow files and `$apr1$` of htpasswd; they differ in the magic only.
//! The steps are those that Poul-Henning Kamp's crypt(3) defined in 1994.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// Longest password in bytes; the work grows with its square, crypt(3) has the same limit.
pub(super) const MAX_CLEAR: usize = 511;
const MAX_SALT: usize = 8;
const ROUNDS: usize = 1000;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Which bytes of the digest are encoded together, most significant first.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// Tells whether clear text belongs to a hash.
pub(super) fn matches(hash: &str, clear: &[u8]) -> bool {
    if clear.len() > MAX_CLEAR {
        return false;
    }
    let mut parts = hash.split('$').skip(1);
    let (Some(magic), Some(salt), Some(expected), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let salt = salt.as_bytes();
    let salt = salt.get(..MAX_SALT).unwrap_or(salt);
    let digest = digest(format!("${magic}$").as_bytes(), clear, salt);
    encode(&digest).as_bytes().ct_eq(expected.as_bytes()).into()
}

fn digest(magic: &[u8], clear: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner = md5(&[clear, salt, clear]);
    let mut outer = Md5::new();
    for part in [clear, magic, salt] {
        outer.update(part);
    }
    for byte in inner.iter().cycle().take(clear.len()) {
        outer.update([*byte]);
    }
    // Where the algorithm meant a byte of the digest, the first implementation fed a zero.
    let mut length = clear.len();
    while length > 0 {
        outer.update([if length & 1 == 1 { 0 } else { clear.first().copied().unwrap_or(0) }]);
        length >>= 1;
    }
    stretch(outer.finalize().into(), clear, salt)
}

fn stretch(mut digest: [u8; 16], clear: &[u8], salt: &[u8]) -> [u8; 16] {
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let first: &[u8] = if odd { clear } else { &digest };
        let last: &[u8] = if odd { &digest } else { clear };
        let salt = if round % 3 == 0 { &[] } else { salt };
        let repeated = if round % 7 == 0 { &[] } else { clear };
        digest = md5(&[first, salt, repeated, last]);
    }
    digest
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn encode(digest: &[u8; 16]) -> String {
    let byte = |index: usize| u32::from(digest.get(index).copied().unwrap_or(0));
    let mut text = String::with_capacity(22);
    for [high, middle, low] in GROUPS {
        push(&mut text, byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    push(&mut text, byte(11), 2);
    text
}

fn push(text: &mut String, mut value: u32, letters: usize) {
    for _ in 0..letters {
        text.push(ALPHABET.get((value & 63) as usize).copied().map_or('.', char::from));
        value >>= 6;
    }
}
