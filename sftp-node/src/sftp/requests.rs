//! The requests of SFTP version 3, parsed.

use bytes::Bytes;
use ferryd_domain::Fault;
use ferryd_storage::{Links, SetAttributes};

use super::handles::HandleKey;
use super::wire::{Fields, malformed};
use super::{attributes, packet};

/// A request; paths are as the client sent them.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Open { path: &'a [u8], flags: u32, permissions: Option<u32> },
    Close { handle: HandleKey },
    Read { handle: HandleKey, offset: u64, length: u32 },
    Stat { path: &'a [u8], links: Links },
    Fstat { handle: HandleKey },
    SetStat { path: &'a [u8], set: SetAttributes },
    FsetStat { handle: HandleKey, set: SetAttributes },
    OpenDir { path: &'a [u8] },
    ReadDir { handle: HandleKey },
    Remove { path: &'a [u8] },
    MakeDir { path: &'a [u8], permissions: Option<u32> },
    RemoveDir { path: &'a [u8] },
    RealPath { path: &'a [u8] },
    Rename { from: &'a [u8], to: &'a [u8] },
    ReadLink { path: &'a [u8] },
    Symlink { target: &'a [u8], link: &'a [u8] },
    Extended { name: &'a [u8], body: Fields<'a> },
    Unknown,
}

/// A WRITE request, parsed from its head.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    pub id: u32,
    pub handle: HandleKey,
    pub offset: u64,
}

impl<'a> Request<'a> {
    /// Parses what follows the type and the id of a packet. Bytes after the last field are
    /// ignored, as OpenSSH does.
    ///
    /// # Errors
    /// `BadMessage`.
    pub fn parse(kind: u8, body: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Fields::new(body);
        let fields = &mut fields;
        Ok(match kind {
            packet::OPEN => {
                let path = fields.string()?;
                let flags = fields.u32()?;
                let permissions = attributes::read(fields)?.permissions;
                Self::Open { path, flags, permissions }
            }
            packet::CLOSE => Self::Close { handle: handle(fields)? },
            packet::READ => {
                let handle = handle(fields)?;
                Self::Read { handle, offset: fields.u64()?, length: fields.u32()? }
            }
            packet::LSTAT => Self::Stat { path: fields.string()?, links: Links::Keep },
            packet::STAT => Self::Stat { path: fields.string()?, links: Links::Follow },
            packet::FSTAT => Self::Fstat { handle: handle(fields)? },
            packet::SETSTAT => {
                Self::SetStat { path: fields.string()?, set: attributes::read(fields)? }
            }
            packet::FSETSTAT => {
                Self::FsetStat { handle: handle(fields)?, set: attributes::read(fields)? }
            }
            packet::OPENDIR => Self::OpenDir { path: fields.string()? },
            packet::READDIR => Self::ReadDir { handle: handle(fields)? },
            packet::REMOVE => Self::Remove { path: fields.string()? },
            packet::MKDIR => {
                let path = fields.string()?;
                let permissions = attributes::read(fields)?.permissions;
                Self::MakeDir { path, permissions }
            }
            packet::RMDIR => Self::RemoveDir { path: fields.string()? },
            packet::REALPATH => Self::RealPath { path: fields.string()? },
            packet::RENAME => Self::Rename { from: fields.string()?, to: fields.string()? },
            packet::READLINK => Self::ReadLink { path: fields.string()? },
            // OpenSSH's order, which nearly all clients follow: the reverse of the draft.
            packet::SYMLINK => Self::Symlink { target: fields.string()?, link: fields.string()? },
            packet::EXTENDED => Self::Extended { name: fields.string()?, body: *fields },
            _ => Self::Unknown,
        })
    }
}

impl WriteRequest {
    /// Parses the head of a WRITE packet and cuts its data to the length that it states: old
    /// versions of Go's pkg/sftp (rclone) send their whole buffer behind a shorter length.
    ///
    /// # Errors
    /// The id, when it can be read, with `BadMessage`.
    pub fn parse(head: &[u8], data: &mut Vec<Bytes>) -> Result<Self, (u32, Fault)> {
        let mut fields = Fields::new(head);
        let id = fields.byte().and_then(|_| fields.u32()).unwrap_or(0);
        let present: usize = data.iter().map(Bytes::len).sum();
        let rest = |fields: &mut Fields<'_>| {
            let request = Self { id, handle: handle(fields)?, offset: fields.u64()? };
            let length = fields.u32()? as usize;
            if length <= present { Ok((request, length)) } else { Err(malformed()) }
        };
        let (request, length) = rest(&mut fields).map_err(|fault| (id, fault))?;
        truncate(data, length);
        Ok(request)
    }
}

/// Keeps the first `length` bytes of the pieces.
fn truncate(pieces: &mut Vec<Bytes>, length: usize) {
    let mut left = length;
    pieces.retain_mut(|piece| {
        piece.truncate(left);
        left -= piece.len();
        !piece.is_empty()
    });
}

/// Reads a handle. One that we did not give out is parsed as one that leads nowhere.
pub(crate) fn handle(fields: &mut Fields<'_>) -> Result<HandleKey, Fault> {
    Ok(HandleKey::from_wire(fields.string()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sftp::wire::PutFields;

    fn head(length: u32) -> Vec<u8> {
        let mut head = vec![packet::WRITE];
        head.put_u32(7);
        head.put_string(&[0; 8]);
        head.put_u64(100);
        head.put_u32(length);
        head
    }

    #[test]
    fn data_behind_the_stated_length_is_ignored() {
        let mut data = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def")];
        let request = WriteRequest::parse(&head(4), &mut data).unwrap();
        assert_eq!((request.id, request.offset), (7, 100));
        assert_eq!(data, [Bytes::from_static(b"abc"), Bytes::from_static(b"d")]);
    }

    #[test]
    fn less_data_than_stated_is_malformed() {
        let mut data = vec![Bytes::from_static(b"abc")];
        assert_eq!(WriteRequest::parse(&head(4), &mut data).unwrap_err().0, 7);
    }
}
