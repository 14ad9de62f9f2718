//! The way in for benchmarks: the parts of the codec that every request or entry goes through.

use bytes::Bytes;
use ferryd_domain::Fault;
use ferryd_storage::Metadata;

use crate::sftp::wire::PutFields as _;
use crate::sftp::{listing, packet, writer};

/// Cuts a stream of packets that arrives in pieces and parses each; returns how many there were.
pub use super::fuzzing::parse_stream;

/// Returns the reply to a READ around data that `fill` appends, as the writer builds it.
pub fn read_reply(id: u32, length: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    let start = writer::put_data_head(&mut out, length);
    let kept = out.len();
    fill(&mut out);
    writer::finish_reply(Ok::<_, Fault>(out), start, kept, id, length)
}

/// Returns the reply to a READDIR.
pub fn names_reply(id: u32, entries: &[(Vec<u8>, Metadata)]) -> Vec<u8> {
    let mut out = Vec::new();
    listing::put_names(&mut out, id, entries);
    out
}

/// Returns a WRITE packet.
pub fn write_packet(id: u32, handle: &[u8], data: &[u8]) -> Bytes {
    let mut out = Vec::new();
    out.put_packet(packet::WRITE, id, |body| {
        body.put_string(handle);
        body.put_u64(0);
        body.put_string(data);
    });
    out.into()
}

/// Returns a READ packet.
pub fn read_packet(id: u32, handle: &[u8], length: u32) -> Bytes {
    let mut out = Vec::new();
    out.put_packet(packet::READ, id, |body| {
        body.put_string(handle);
        body.put_u64(0);
        body.put_u32(length);
    });
    out.into()
}
