//! SFTP version 3 (draft-ietf-secsh-filexfer-02) on a channel: frame, request, files, reply.
//! One reader per channel that never waits on sending, one writer that owns all sending.

mod attributes;
mod channel;
mod dispatch;
mod extensions;
mod file_data;
pub(crate) mod frames;
mod gather;
mod handles;
mod late;
pub(crate) mod listing;
mod long_name;
mod metadata;
mod names;
pub(crate) mod pump;
mod replies;
pub(crate) mod requests;
mod status;
mod transfers;
mod version;
pub(crate) mod wire;
pub(crate) mod writer;

pub(crate) use pump::serve;

/// Longest packet that is accepted, without its length field (OpenSSH's SFTP_MAX_MSG_LENGTH).
pub(crate) const MAX_PACKET: usize = 256 * 1024;
/// Most bytes of one READ, and of one WRITE as `limits@openssh.com` tells it (OpenSSH's figure). A
/// longer WRITE is taken when it fits into a packet.
const MAX_DATA: usize = MAX_PACKET - 1024;
/// Handles that a channel may have open.
const MAX_HANDLES: usize = 1024;

/// Packet types (draft section 3).
pub(crate) mod packet {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}
