//! What russh asks of a buffer for secrets: memory that is overwritten when it is given up. Stands
//! in for the crate of this name, which also locks every such piece into memory: seven system calls
//! for each login that protect little (docs/decisions/0018).

#[cfg(feature = "ssh-encoding")]
mod wire;

use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroizing;

/// Bytes that are overwritten before their memory is given up.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CryptoVec(Zeroizing<Vec<u8>>);

impl CryptoVec {
    /// Returns no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of some bytes.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Changes the length; what is added is zero.
    pub fn resize(&mut self, length: usize) {
        match length.checked_sub(self.len()) {
            Some(more) => {
                self.reserve(more);
                self.0.resize(length, 0);
            }
            None => self.cut(length),
        }
    }

    /// Takes all bytes away, keeps the memory.
    pub fn clear(&mut self) {
        self.cut(0);
    }

    /// Adds a byte.
    pub fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    /// Adds bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn cut(&mut self, length: usize) {
        if let Some(rest) = self.0.get_mut(length..) {
            zeroize::Zeroize::zeroize(rest);
        }
        self.0.truncate(length);
    }

    /// Makes room as a vector does by itself, but the old memory is overwritten.
    fn reserve(&mut self, more: usize) {
        let needed = self.len().saturating_add(more);
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
    }
}

impl fmt::Debug for CryptoVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptoVec({} bytes)", self.len())
    }
}

impl Deref for CryptoVec {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for CryptoVec {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for CryptoVec {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for CryptoVec {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl From<&[u8]> for CryptoVec {
    fn from(bytes: &[u8]) -> Self {
        Self::from_slice(bytes)
    }
}

impl From<Vec<u8>> for CryptoVec {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_through_growth() {
        let mut bytes = CryptoVec::new();
        for byte in 0..=255 {
            bytes.push(byte);
        }
        bytes.extend(&[1, 2, 3]);
        assert_eq!(bytes.len(), 259);
        assert!(bytes.iter().take(256).copied().eq(0..=255));
        assert_eq!(bytes.get(256..), Some(&[1, 2, 3][..]));
        assert_eq!(bytes, bytes.clone());
    }

    #[test]
    fn what_is_cut_off_is_zero_when_it_comes_back() {
        let mut bytes = CryptoVec::from_slice(b"secret");
        bytes.resize(2);
        bytes.resize(6);
        assert_eq!(&bytes[..], b"se\0\0\0\0");
        bytes.clear();
        assert!(bytes.is_empty());
        bytes.resize(3);
        assert_eq!(&bytes[..], [0; 3]);
    }

    #[test]
    fn nothing_secret_is_printed() {
        assert_eq!(format!("{:?}", CryptoVec::from_slice(b"secret")), "CryptoVec(6 bytes)");
    }
}
