//! SFTP packets: cutting and parsing what arrives, building the replies that matter for speed.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on fails loudly")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ferryd_storage::{FileId, FileKind, Metadata};
use sftp_node::testkit::bench_hooks::{
    names_reply, parse_stream, read_packet, read_reply, write_packet,
};

/// What a window of SSH brings at a time.
const PIECE: usize = 32 * 1024;
const HANDLE: &[u8] = b"00000001";

fn main() {
    divan::main();
}

#[divan::bench]
fn frames_of_reads(bencher: Bencher<'_, '_>) {
    let stream: Vec<u8> = (0..64).flat_map(|id| read_packet(id, HANDLE, 32_768)).collect();
    bencher.counter(ItemsCount::new(64_usize)).bench(|| parse_stream(black_box(&stream), PIECE));
}

#[divan::bench(args = [32 * 1024, 255 * 1024])]
fn frames_of_writes(bencher: Bencher<'_, '_>, size: usize) {
    let data = vec![7; size];
    let stream: Vec<u8> = (0..16).flat_map(|id| write_packet(id, HANDLE, &data)).collect();
    let counter = BytesCount::new(stream.len());
    bencher.counter(counter).bench(|| parse_stream(black_box(&stream), PIECE));
}

/// The head alone: the data is one byte, whatever was asked for.
#[divan::bench]
fn head_of_a_read_reply() -> Vec<u8> {
    read_reply(black_box(7), black_box(1), |out| out.push(0))
}

#[divan::bench(args = [32 * 1024, 255 * 1024])]
fn read_reply_with_its_data(bencher: Bencher<'_, '_>, size: usize) {
    let data = vec![7; size];
    let fill = || read_reply(7, size, |out| out.extend_from_slice(&data));
    bencher.counter(BytesCount::new(size)).bench(fill);
}

#[divan::bench]
fn names_of_128_entries(bencher: Bencher<'_, '_>) {
    let entries: Vec<_> = (0..128).map(entry).collect();
    let counter = ItemsCount::new(entries.len());
    bencher.counter(counter).bench(|| names_reply(7, black_box(&entries)));
}

fn entry(number: u64) -> (Vec<u8>, Metadata) {
    let entry = Metadata {
        kind: FileKind::File,
        size: number * 1_234_567,
        mode: 0o100_644,
        uid: 1000,
        gid: 1000,
        links: 1,
        accessed: 1_700_000_000,
        modified: 1_700_000_000 + i64::try_from(number).unwrap(),
        file_id: FileId::default(),
    };
    (format!("file-{number:06}.dat").into_bytes(), entry)
}
