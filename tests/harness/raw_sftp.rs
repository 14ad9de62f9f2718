//! A small SFTP version 3 client that shows status codes as they come and can send anything.

use std::collections::BTreeMap;

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::AsyncWriteExt as _;

use crate::ssh::Connection;
use crate::wait::soon;
use crate::wire::{Attributes, Fields, Reader, packet, read_packet};

/// Flags of OPEN.
pub mod flags {
    /// For reading.
    pub const READ: u32 = 1;
    /// For writing.
    pub const WRITE: u32 = 2;
    /// For appending.
    pub const APPEND: u32 = 4;
    /// Made when missing.
    pub const CREATE: u32 = 8;
    /// Emptied first.
    pub const TRUNCATE: u32 = 16;
    /// Refused when it exists.
    pub const EXCLUSIVE: u32 = 32;
    /// What `put` sends.
    pub const PUT: u32 = WRITE | CREATE | TRUNCATE;
}

/// A refusal: the status code and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: u32,
    /// What the server says to it.
    pub text: String,
}

/// Codes of the protocol.
pub mod code {
    /// Nothing is left.
    pub const EOF: u32 = 1;
    /// There is no such file.
    pub const NO_FILE: u32 = 2;
    /// The permission is missing.
    pub const DENIED: u32 = 3;
    /// Anything else.
    pub const FAILURE: u32 = 4;
    /// The packet makes no sense.
    pub const BAD_MESSAGE: u32 = 5;
    /// The server cannot do it.
    pub const UNSUPPORTED: u32 = 8;
}

/// A packet of the server.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its type.
    pub kind: u8,
    /// Everything behind the type.
    pub body: Vec<u8>,
}

impl Reply {
    /// Returns the id of the request it answers.
    pub fn id(&self) -> u32 {
        Reader(&self.body).u32()
    }

    /// Returns what is behind the id, or the status when it is a refusal.
    pub fn outcome(self) -> Result<Vec<u8>, Status> {
        let mut fields = Reader(&self.body[4..]);
        if self.kind != 101 {
            return Ok(fields.0.to_vec());
        }
        let code = fields.u32();
        let text = String::from_utf8_lossy(fields.string()).into_owned();
        if code == 0 { Ok(Vec::new()) } else { Err(Status { code, text }) }
    }
}

impl Connection {
    /// Opens SFTP on a channel of its own.
    pub async fn sftp(&self) -> RawSftp {
        let mut sftp = self.bare_sftp().await;
        sftp.initialize().await;
        sftp
    }

    /// Opens SFTP and leaves the first packet to the caller.
    pub async fn bare_sftp(&self) -> RawSftp {
        let channel = self.channel().await.unwrap();
        channel.request_subsystem(false, "sftp").await.unwrap();
        RawSftp::new(self.clone(), channel.into_stream())
    }
}

/// One SFTP channel.
pub struct RawSftp {
    connection: Connection,
    stream: ChannelStream<Msg>,
    last_id: u32,
    /// What the server offered beyond version 3.
    pub extensions: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for RawSftp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSftp").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

impl RawSftp {
    /// Speaks on a channel.
    fn new(connection: Connection, stream: ChannelStream<Msg>) -> Self {
        Self { connection, stream, last_id: 0, extensions: BTreeMap::new() }
    }

    /// Returns the connection that carries it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Exchanges the first packets.
    pub async fn initialize(&mut self) {
        assert_eq!(self.initialize_as(3).await, 3);
    }

    /// Asks for a version and returns the one that the server speaks.
    pub async fn initialize_as(&mut self, version: u32) -> u32 {
        self.send(&packet(1, &version.to_be_bytes())).await;
        let reply = self.receive().await.expect("an answer to INIT");
        assert_eq!(reply.kind, 2);
        let mut fields = Reader(&reply.body);
        let version = fields.u32();
        while !fields.0.is_empty() {
            let name = String::from_utf8_lossy(fields.string()).into_owned();
            self.extensions.insert(name, fields.string().to_vec());
        }
        version
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the channel takes bytes");
    }

    /// Sends bytes and tells whether the channel took them.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        soon("the channel to take bytes", async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Returns the next packet, or nothing when the channel has ended.
    pub async fn receive(&mut self) -> Option<Reply> {
        soon("a packet", async {
            let mut body = read_packet(&mut self.stream, 1..=1 << 20).await?;
            let kind = body.remove(0);
            Some(Reply { kind, body })
        })
        .await
    }

    /// Says that no request follows.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Sends a request and returns its id.
    pub async fn post(&mut self, kind: u8, fields: &Fields) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        let body = Fields::new().u32(self.last_id).bytes(&fields.0);
        self.send(&packet(kind, &body.0)).await;
        self.last_id
    }

    /// Sends a request and returns its answer.
    pub async fn request(&mut self, kind: u8, fields: Fields) -> Result<Vec<u8>, Status> {
        let id = self.post(kind, &fields).await;
        let reply = self.receive().await.expect("the channel is open");
        assert_eq!(reply.id(), id, "an answer to another request");
        reply.outcome()
    }

    /// OPEN.
    pub async fn open(&mut self, path: impl AsRef<[u8]>, flags: u32) -> Result<Vec<u8>, Status> {
        self.open_with(path, flags, Attributes::default()).await
    }

    /// OPEN with attributes for a new file.
    pub async fn open_with(
        &mut self,
        path: impl AsRef<[u8]>,
        flags: u32,
        new: Attributes,
    ) -> Result<Vec<u8>, Status> {
        let fields = Fields::new().string(path).u32(flags).bytes(&new.encode());
        let body = self.request(3, fields).await?;
        Ok(Reader(&body).string().to_vec())
    }

    /// CLOSE.
    pub async fn close(&mut self, handle: &[u8]) -> Result<(), Status> {
        self.request(4, Fields::new().string(handle)).await.map(drop)
    }

    /// READ.
    pub async fn read(&mut self, handle: &[u8], at: u64, length: u32) -> Result<Vec<u8>, Status> {
        let body = self.request(5, Fields::new().string(handle).u64(at).u32(length)).await?;
        Ok(Reader(&body).string().to_vec())
    }

    /// WRITE.
    pub async fn write(&mut self, handle: &[u8], at: u64, data: &[u8]) -> Result<(), Status> {
        self.request(6, Fields::new().string(handle).u64(at).string(data)).await.map(drop)
    }

    /// LSTAT.
    pub async fn lstat(&mut self, path: impl AsRef<[u8]>) -> Result<Attributes, Status> {
        self.attributes(7, path.as_ref()).await
    }

    /// FSTAT.
    pub async fn fstat(&mut self, handle: &[u8]) -> Result<Attributes, Status> {
        self.attributes(8, handle).await
    }

    /// STAT.
    pub async fn stat(&mut self, path: impl AsRef<[u8]>) -> Result<Attributes, Status> {
        self.attributes(17, path.as_ref()).await
    }

    async fn attributes(&mut self, kind: u8, name: &[u8]) -> Result<Attributes, Status> {
        let body = self.request(kind, Fields::new().string(name)).await?;
        Ok(Reader(&body).attributes())
    }

    /// SETSTAT.
    pub async fn set(&mut self, path: impl AsRef<[u8]>, to: Attributes) -> Result<(), Status> {
        self.request(9, Fields::new().string(path).bytes(&to.encode())).await.map(drop)
    }

    /// FSETSTAT.
    pub async fn set_open(&mut self, handle: &[u8], to: Attributes) -> Result<(), Status> {
        self.request(10, Fields::new().string(handle).bytes(&to.encode())).await.map(drop)
    }

    /// REMOVE.
    pub async fn remove(&mut self, path: impl AsRef<[u8]>) -> Result<(), Status> {
        self.request(13, Fields::new().string(path)).await.map(drop)
    }

    /// MKDIR.
    pub async fn mkdir(&mut self, path: impl AsRef<[u8]>) -> Result<(), Status> {
        self.mkdir_with(path, Attributes::default()).await
    }

    /// MKDIR with attributes.
    pub async fn mkdir_with(
        &mut self,
        path: impl AsRef<[u8]>,
        new: Attributes,
    ) -> Result<(), Status> {
        self.request(14, Fields::new().string(path).bytes(&new.encode())).await.map(drop)
    }

    /// RMDIR.
    pub async fn rmdir(&mut self, path: impl AsRef<[u8]>) -> Result<(), Status> {
        self.request(15, Fields::new().string(path)).await.map(drop)
    }

    /// REALPATH.
    pub async fn realpath(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Status> {
        self.name(16, path.as_ref()).await
    }

    /// READLINK.
    pub async fn readlink(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Status> {
        self.name(19, path.as_ref()).await
    }

    async fn name(&mut self, kind: u8, path: &[u8]) -> Result<Vec<u8>, Status> {
        let body = self.request(kind, Fields::new().string(path)).await?;
        let mut fields = Reader(&body);
        assert_eq!(fields.u32(), 1);
        Ok(fields.string().to_vec())
    }

    /// RENAME.
    pub async fn rename(&mut self, from: &str, to: &str) -> Result<(), Status> {
        self.request(18, Fields::new().string(from).string(to)).await.map(drop)
    }

    /// `posix-rename@openssh.com`.
    pub async fn posix_rename(&mut self, from: &str, to: &str) -> Result<(), Status> {
        let fields = Fields::new().string("posix-rename@openssh.com").string(from).string(to);
        self.request(200, fields).await.map(drop)
    }

    /// SYMLINK in the order of OpenSSH: what it points to, then its name.
    pub async fn symlink(&mut self, target: &str, link: &str) -> Result<(), Status> {
        self.request(20, Fields::new().string(target).string(link)).await.map(drop)
    }

    /// OPENDIR, READDIR to the end, CLOSE; names in order, without `.` and `..`.
    pub async fn list(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<Listed>, Status> {
        let mut all = self.list_all(path).await?;
        all.retain(|entry| entry.name != b"." && entry.name != b"..");
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// OPENDIR, READDIR to the end, CLOSE; everything as it comes.
    pub async fn list_all(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<Listed>, Status> {
        let body = self.request(11, Fields::new().string(path)).await?;
        let handle = Reader(&body).string().to_vec();
        let mut all = Vec::new();
        loop {
            match self.request(12, Fields::new().string(&handle)).await {
                Ok(body) => all.extend(entries(&body)),
                Err(status) if status.code == code::EOF => break,
                Err(status) => return Err(status),
            }
        }
        self.close(&handle).await?;
        Ok(all)
    }

    /// Reads a whole file.
    pub async fn get(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Status> {
        let handle = self.open(path, flags::READ).await?;
        let mut content = Vec::new();
        loop {
            match self.read(&handle, content.len() as u64, 32_768).await {
                Ok(data) => content.extend_from_slice(&data),
                Err(status) if status.code == code::EOF => break,
                Err(status) => return Err(status),
            }
        }
        self.close(&handle).await?;
        Ok(content)
    }

    /// Writes a whole file.
    pub async fn put(&mut self, path: impl AsRef<[u8]>, content: &[u8]) -> Result<(), Status> {
        let handle = self.open(path, flags::PUT).await?;
        for (number, piece) in content.chunks(32_768).enumerate() {
            self.write(&handle, number as u64 * 32_768, piece).await?;
        }
        self.close(&handle).await
    }
}

/// An entry of a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: Vec<u8>,
    /// The line for people.
    pub line: String,
    /// Its attributes.
    pub attributes: Attributes,
}

fn entries(body: &[u8]) -> Vec<Listed> {
    let mut fields = Reader(body);
    (0..fields.u32())
        .map(|_| Listed {
            name: fields.string().to_vec(),
            line: String::from_utf8_lossy(fields.string()).into_owned(),
            attributes: fields.attributes(),
        })
        .collect()
}
