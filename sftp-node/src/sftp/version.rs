//! The answer to INIT: the version of the protocol and the extensions that are offered.

use super::packet;
use super::wire::{PutFields, patch_length};

/// The protocol version that is answered to every INIT.
const VERSION: u32 = 3;

/// Names and versions that are announced.
const ANNOUNCED: [(&str, &str); 12] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
    ("check-file", ""),
    ("users-groups-by-id@openssh.com", "1"),
];

/// Appends the answer to INIT.
pub(super) fn put_version(out: &mut Vec<u8>) {
    let start = out.len();
    out.put_u32(0);
    out.push(packet::VERSION);
    out.put_u32(VERSION);
    for (name, version) in ANNOUNCED {
        out.put_string(name.as_bytes());
        out.put_string(version.as_bytes());
    }
    patch_length(out, start);
}
