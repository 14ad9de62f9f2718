//! Files on the tests' side: folders that vanish, big files, checksums.

use std::io::{Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const PIECE: usize = 1 << 20;

/// Makes a folder that vanishes with the value.
pub fn temporary_folder(name: &str) -> TempDir {
    tempfile::Builder::new().prefix(&format!("ferryd-{name}-")).tempdir().unwrap()
}

/// Returns the size of "a big file": `FERRYD_TEST_BIG_MIB` (256) MiB.
pub fn big() -> u64 {
    let text = std::env::var("FERRYD_TEST_BIG_MIB").unwrap_or_else(|_| "256".to_owned());
    text.parse::<u64>().expect("FERRYD_TEST_BIG_MIB is a number") << 20
}

/// Writes a file whose bytes tell their position, so that blocks in the wrong place are noticed.
pub fn write_pattern(path: &Path, size: u64) {
    let mut file = std::io::BufWriter::with_capacity(PIECE, std::fs::File::create(path).unwrap());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ size;
    let mut left = usize::try_from(size).unwrap();
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.to_le_bytes();
        let part = &word[..left.min(word.len())];
        file.write_all(part).unwrap();
        left -= part.len();
    }
    file.flush().unwrap();
}

/// Returns `size` bytes that tell their position.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Returns the SHA-256 of a file in hex.
pub fn checksum(path: &Path) -> String {
    let mut file =
        std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece).unwrap();
        if count == 0 {
            return hex::encode(hash.finalize());
        }
        hash.update(&piece[..count]);
    }
}
