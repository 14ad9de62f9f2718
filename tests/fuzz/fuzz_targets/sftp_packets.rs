//! Any bytes on an SFTP channel, in pieces of any size: no panic, and the number of packets does
//! not depend on how they were cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sftp_node::testkit::fuzzing::parse_stream;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, stream) = input;
    let in_pieces = parse_stream(stream, usize::from(piece));
    assert_eq!(in_pieces, parse_stream(stream, stream.len()));
});
