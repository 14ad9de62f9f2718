//! The ways in for fuzzers: bytes of a channel go through framing and parsing alone, or stand for
//! a whole conversation with the loop of a channel over files in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "checks of a test tool end it"
)]

mod conversation;
mod script;
mod world;

use bytes::Bytes;

use crate::sftp::frames::{Frame, Frames};
use crate::sftp::requests::{Request, WriteRequest};
use crate::sftp::wire::Fields;

pub use conversation::{Outcome, converse};

/// Parses a stream that arrives in pieces of `piece` bytes, to its end or its first broken length.
/// Returns the number of packets.
pub fn parse_stream(stream: &[u8], piece: usize) -> usize {
    let mut frames = Frames::default();
    let mut packets = 0;
    for chunk in stream.chunks(piece.max(1)) {
        frames.push(Bytes::copy_from_slice(chunk));
        loop {
            match frames.next() {
                Ok(Some(frame)) => parse(frame),
                Ok(None) => break,
                Err(_) => return packets,
            }
            packets += 1;
        }
    }
    packets
}

fn parse(frame: Frame) {
    match frame {
        Frame::Whole(packet) => {
            let mut fields = Fields::new(&packet);
            if let (Ok(kind), Ok(_)) = (fields.byte(), fields.u32()) {
                let _ = Request::parse(kind, packet.get(5..).unwrap_or_default());
            }
        }
        Frame::Write { head, mut data } => {
            let _ = WriteRequest::parse(&head, &mut data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_up_to_the_first_broken_length() {
        let stream = [&[0, 0, 0, 5, 16, 0, 0, 0, 1][..], &[0, 0, 0, 1, 6], &[0; 4], &[1]].concat();
        for piece in [0, 1, 3, 100] {
            assert_eq!(parse_stream(&stream, piece), 2);
        }
    }
}
