//! Reading and writing the fields of SFTP packets.

use ferryd_domain::{Fault, FaultKind};

/// Reads fields from the front of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// Returns the fault of a packet that does not have the fields of its type.
pub(super) fn malformed() -> Fault {
    Fault::new(FaultKind::BadMessage, "bad message")
}

impl<'a> Fields<'a> {
    /// Starts at the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads a byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self.0.split_first().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Reads a 32-bit number.
    pub fn u32(&mut self) -> Result<u32, Fault> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// Reads a 64-bit number.
    pub fn u64(&mut self) -> Result<u64, Fault> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*bytes))
    }

    /// Reads a string: a 32-bit length and that many bytes.
    pub fn string(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.u32()?).map_err(|_| malformed())?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Returns what has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends packets to a buffer.
pub(crate) trait PutFields {
    /// Appends a 32-bit number.
    fn put_u32(&mut self, number: u32);
    /// Appends a 64-bit number.
    fn put_u64(&mut self, number: u64);
    /// Appends a string.
    fn put_string(&mut self, bytes: &[u8]);
    /// Appends a packet of a type for a request; `body` appends the rest.
    fn put_packet(&mut self, kind: u8, id: u32, body: impl FnOnce(&mut Vec<u8>));
}

impl PutFields for Vec<u8> {
    fn put_u32(&mut self, number: u32) {
        self.extend_from_slice(&number.to_be_bytes());
    }

    fn put_u64(&mut self, number: u64) {
        self.extend_from_slice(&number.to_be_bytes());
    }

    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.extend_from_slice(bytes);
    }

    fn put_packet(&mut self, kind: u8, id: u32, body: impl FnOnce(&mut Self)) {
        let start = self.len();
        self.put_u32(0);
        self.push(kind);
        self.put_u32(id);
        body(self);
        patch_length(self, start);
    }
}

/// Writes the length of the packet that starts at `start` and ends at the end of the buffer.
pub(super) fn patch_length(buffer: &mut [u8], start: usize) {
    let length = u32::try_from(buffer.len().saturating_sub(start + 4)).unwrap_or(u32::MAX);
    if let Some(field) = buffer.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_has_its_length_in_front() {
        let mut buffer = vec![9];
        buffer.put_packet(101, 7, |body| body.put_string(b"ab"));
        assert_eq!(buffer, [9, 0, 0, 0, 11, 101, 0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b']);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut fields = Fields::new(&bytes);
            while fields.string().is_ok() {}
            prop_assert!(fields.rest().len() <= bytes.len());
        }
    }
}
