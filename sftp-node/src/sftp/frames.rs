//! Cuts the stream of a channel into packets without copying the data of WRITE requests.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{MAX_PACKET, packet};

/// Longest part of a WRITE packet before its data: type, id, handle (256 bytes), offset, length.
const WRITE_HEAD: usize = 1 + 4 + 4 + 256 + 8 + 4;

/// One packet without its length field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Any packet but WRITE.
    Whole(Bytes),
    /// A WRITE packet: what stands before the data, and the data in pieces.
    Write {
        /// Type, id, handle, offset and length of the data.
        head: Vec<u8>,
        /// The data, as it came.
        data: Vec<Bytes>,
    },
}

/// The stream cannot be cut into packets any more; the channel has to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BrokenStream {
    /// A packet of no length.
    Empty,
    /// A packet longer than allowed.
    TooLong(usize),
}

/// What has arrived and is not cut yet.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    chunks: VecDeque<Bytes>,
    available: usize,
}

impl Frames {
    /// Adds what has arrived.
    pub fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.available += data.len();
            self.chunks.push_back(data);
        }
    }

    /// Returns the next whole packet, `None` when more has to arrive.
    ///
    /// # Errors
    /// [`BrokenStream`] for a length that no packet has.
    pub fn next(&mut self) -> Result<Option<Frame>, BrokenStream> {
        let Some(length) = self.peek_length() else { return Ok(None) };
        if length == 0 {
            return Err(BrokenStream::Empty);
        }
        if length > MAX_PACKET {
            return Err(BrokenStream::TooLong(length));
        }
        if self.available < 4 + length {
            return Ok(None);
        }
        self.skip(4);
        Ok(Some(self.cut(length)))
    }

    fn cut(&mut self, length: usize) -> Frame {
        if self.peek_byte() != Some(packet::WRITE) {
            return Frame::Whole(self.take(length));
        }
        let mut head = Vec::with_capacity(64);
        self.copy_front(write_head_guess(length), &mut head);
        let exact = write_head_length(&head).min(length);
        if exact > head.len() {
            head.clear();
            self.copy_front(exact.min(WRITE_HEAD), &mut head);
        }
        head.truncate(exact);
        self.skip(head.len());
        let data = self.take_pieces(length - head.len());
        Frame::Write { head, data }
    }

    fn peek_byte(&self) -> Option<u8> {
        self.chunks.front().and_then(|chunk| chunk.first().copied())
    }

    fn peek_length(&self) -> Option<usize> {
        if self.available < 4 {
            return None;
        }
        let mut bytes = self.chunks.iter().flatten().copied();
        let field = [bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?];
        usize::try_from(u32::from_be_bytes(field)).ok()
    }

    fn copy_front(&self, length: usize, into: &mut Vec<u8>) {
        let mut missing = length;
        for chunk in &self.chunks {
            let part = chunk.get(..missing.min(chunk.len())).unwrap_or_default();
            into.extend_from_slice(part);
            missing -= part.len();
            if missing == 0 {
                break;
            }
        }
    }

    fn skip(&mut self, mut length: usize) {
        while length > 0 {
            let Some(front) = self.chunks.front_mut() else { return };
            let step = length.min(front.len());
            bytes::Buf::advance(front, step);
            self.available -= step;
            length -= step;
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
    }

    /// Takes bytes as one piece; without a copy when they lie in one chunk.
    fn take(&mut self, length: usize) -> Bytes {
        if let Some(front) = self.chunks.front_mut()
            && front.len() >= length
        {
            let taken = front.split_to(length);
            self.available -= length;
            if front.is_empty() {
                self.chunks.pop_front();
            }
            return taken;
        }
        let mut whole = Vec::with_capacity(length);
        self.copy_front(length, &mut whole);
        self.skip(length);
        whole.into()
    }

    fn take_pieces(&mut self, length: usize) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(self.chunks.len().min(length / 16384 + 2));
        let mut missing = length;
        while missing > 0 {
            let step = self.chunks.front().map_or(0, Bytes::len).min(missing);
            if step == 0 {
                break;
            }
            pieces.push(self.take(step));
            missing -= step;
        }
        pieces
    }
}

/// Enough for the short handles that we give out.
fn write_head_guess(length: usize) -> usize {
    length.min(48)
}

/// Returns how long the part before the data is, as far as the front tells.
fn write_head_length(front: &[u8]) -> usize {
    let field = front.get(5..9).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let handle = field.map_or(0, |bytes| u32::from_be_bytes(bytes) as usize);
    handle.saturating_add(1 + 4 + 4 + 8 + 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sftp::wire::PutFields;

    fn write_packet(handle: &[u8], data: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        packet.put_packet(packet::WRITE, 1, |body| {
            body.put_string(handle);
            body.put_u64(77);
            body.put_string(data);
        });
        packet
    }

    fn flat(frame: &Frame) -> Vec<u8> {
        match frame {
            Frame::Whole(bytes) => bytes.to_vec(),
            Frame::Write { head, data } => {
                let mut all = head.clone();
                data.iter().for_each(|piece| all.extend_from_slice(piece));
                all
            }
        }
    }

    #[test]
    fn lengths_that_no_packet_has_break_the_stream() {
        let with = |bytes: [u8; 4]| {
            let mut frames = Frames::default();
            frames.push(Bytes::copy_from_slice(&bytes));
            frames.next()
        };
        assert_eq!(with([0; 4]), Err(BrokenStream::Empty));
        assert_eq!(with([0xff; 4]), Err(BrokenStream::TooLong(0xffff_ffff)));
        assert_eq!(with([0, 0, 0, 5]), Ok(None));
    }

    #[test]
    fn the_data_of_a_write_is_not_part_of_its_head() {
        let mut frames = Frames::default();
        frames.push(write_packet(b"12345678", b"data").into());
        let Ok(Some(Frame::Write { head, data })) = frames.next() else { panic!("no write") };
        assert_eq!(head.len(), 1 + 4 + 4 + 8 + 8 + 4);
        assert_eq!(data, [Bytes::from_static(b"data")]);
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_they_are_cut(
            handles in proptest::collection::vec(0usize..300, 1..6),
            lengths in proptest::collection::vec(0usize..2000, 1..6),
            cuts in proptest::collection::vec(1usize..700, 1..40),
        ) {
            let mut stream = Vec::new();
            let mut sent = Vec::new();
            for (handle, length) in handles.iter().zip(&lengths) {
                let packet = write_packet(&vec![1; *handle], &vec![2; *length]);
                sent.push(packet[4..].to_vec());
                stream.extend(packet);
                let mut other = Vec::new();
                other.put_packet(packet::STAT, 3, |body| body.put_string(&vec![b'x'; *length]));
                sent.push(other[4..].to_vec());
                stream.extend(other);
            }
            let mut frames = Frames::default();
            let mut got = Vec::new();
            let mut cuts = cuts.iter().cycle();
            while !stream.is_empty() {
                let cut = (*cuts.next().unwrap()).min(stream.len());
                let rest = stream.split_off(cut);
                frames.push(stream.into());
                stream = rest;
                while let Some(frame) = frames.next().unwrap() {
                    got.push(flat(&frame));
                }
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::default();
            for part in bytes.chunks(7) {
                frames.push(Bytes::copy_from_slice(part));
                while let Ok(Some(_)) = frames.next() {}
            }
        }
    }
}
