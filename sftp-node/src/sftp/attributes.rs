//! File attributes on the wire (draft section 5).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferryd_domain::Fault;
use ferryd_storage::{Metadata, SetAttributes};

use super::wire::{Fields, PutFields, malformed};

const SIZE: u32 = 0x1;
const OWNER: u32 = 0x2;
const PERMISSIONS: u32 = 0x4;
const TIMES: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;

/// Extended pairs that one packet may carry.
const MAX_EXTENDED: u32 = 256;
/// setuid, setgid and sticky are never set on behalf of a client.
const SETTABLE_BITS: u32 = 0o777;

/// Appends the attributes of an entry.
pub(super) fn put(buffer: &mut Vec<u8>, entry: &Metadata) {
    buffer.put_u32(SIZE | OWNER | PERMISSIONS | TIMES);
    buffer.put_u64(entry.size);
    buffer.put_u32(entry.uid);
    buffer.put_u32(entry.gid);
    buffer.put_u32(entry.mode);
    buffer.put_u32(seconds(entry.accessed));
    buffer.put_u32(seconds(entry.modified));
}

/// Appends a size and nothing else.
pub(super) fn put_size(buffer: &mut Vec<u8>, size: u64) {
    buffer.put_u32(SIZE);
    buffer.put_u64(size);
}

/// Appends attributes that say nothing.
pub(super) fn put_none(buffer: &mut Vec<u8>) {
    buffer.put_u32(0);
}

/// Version 3 has unsigned 32-bit seconds.
fn seconds(unix: i64) -> u32 {
    u32::try_from(unix.max(0)).unwrap_or(u32::MAX)
}

/// Reads attributes to set. Extended pairs are read and ignored.
///
/// # Errors
/// `BadMessage`.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<SetAttributes, Fault> {
    let flags = fields.u32()?;
    let mut set = SetAttributes::default();
    if flags & SIZE != 0 {
        set.size = Some(fields.u64()?);
    }
    if flags & OWNER != 0 {
        set.uid = Some(fields.u32()?);
        set.gid = Some(fields.u32()?);
    }
    if flags & PERMISSIONS != 0 {
        set.permissions = Some(fields.u32()? & SETTABLE_BITS);
    }
    if flags & TIMES != 0 {
        set.accessed = Some(time(fields.u32()?));
        set.modified = Some(time(fields.u32()?));
    }
    if flags & EXTENDED != 0 {
        let pairs = fields.u32()?;
        if pairs > MAX_EXTENDED {
            return Err(malformed());
        }
        for _ in 0..pairs {
            fields.string()?;
            fields.string()?;
        }
    }
    Ok(set)
}

fn time(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_read_and_special_bits_are_dropped() {
        let mut bytes = Vec::new();
        bytes.put_u32(SIZE | OWNER | PERMISSIONS | TIMES | EXTENDED);
        bytes.put_u64(5);
        bytes.put_u32(1000);
        bytes.put_u32(1001);
        bytes.put_u32(0o104755);
        bytes.put_u32(7);
        bytes.put_u32(8);
        bytes.put_u32(1);
        bytes.put_string(b"name");
        bytes.put_string(b"value");
        let mut fields = Fields::new(&bytes);
        let set = read(&mut fields).unwrap();
        assert_eq!(
            (set.size, set.uid, set.gid, set.permissions),
            (Some(5), Some(1000), Some(1001), Some(0o755))
        );
        assert_eq!((set.accessed, set.modified), (Some(time(7)), Some(time(8))));
        assert!(fields.rest().is_empty());
    }

    #[test]
    fn cut_attributes_are_malformed() {
        assert!(read(&mut Fields::new(&[0, 0, 0, 1, 0])).is_err());
    }
}
