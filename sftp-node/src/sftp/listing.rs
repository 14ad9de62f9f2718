//! READDIR: batches of names, bounded so that every client takes them.

use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_storage::Metadata;

use super::wire::PutFields;
use super::{attributes, long_name, packet, status};
use crate::files::Directory;

/// Entries of one reply: asyncssh's number; with names of 255 bytes a reply stays below 80 KiB.
const BATCH: usize = 128;

/// Returns the reply with the next batch of a directory, or the end.
pub(super) async fn batch(id: u32, directory: &Directory) -> Vec<u8> {
    let mut out = Vec::new();
    match directory.next(BATCH).await {
        Ok(entries) if entries.is_empty() => status::put_eof(&mut out, id),
        Ok(entries) => put_names(&mut out, id, &entries),
        Err(fault) => status::put_fault(&mut out, id, &fault),
    }
    out
}

pub(crate) fn put_names(out: &mut Vec<u8>, id: u32, entries: &[(Vec<u8>, Metadata)]) {
    let now = unix_seconds();
    out.put_packet(packet::NAME, id, |body| {
        body.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        for (name, entry) in entries {
            body.put_string(name);
            put_long_name(body, name, entry, now);
            attributes::put(body, entry);
        }
    });
}

/// Appends the line as a string; its length is known only afterwards.
fn put_long_name(body: &mut Vec<u8>, name: &[u8], entry: &Metadata, now: i64) {
    let start = body.len();
    body.put_u32(0);
    long_name::put(body, name, entry, now);
    super::wire::patch_length(body, start);
}

/// Appends a NAME reply of one path without attributes (REALPATH, READLINK).
pub(super) fn put_path(out: &mut Vec<u8>, id: u32, path: &[u8]) {
    out.put_packet(packet::NAME, id, |body| {
        body.put_u32(1);
        body.put_string(path);
        body.put_string(path);
        attributes::put_none(body);
    });
}

fn unix_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
