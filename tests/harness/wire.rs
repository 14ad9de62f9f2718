//! Fields of SFTP packets, written and read without any check of sense: hostile packets are made
//! with these too.

use std::ops::RangeInclusive;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Writes fields one after the other.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<u8>);

impl Fields {
    /// Returns no field yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a 32-bit number.
    #[must_use]
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a 64-bit number.
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds bytes with their length in front.
    #[must_use]
    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut fields = self.u32(u32::try_from(bytes.len()).unwrap());
        fields.0.extend_from_slice(bytes);
        fields
    }

    /// Adds bytes as they are.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Returns a packet: length, type, fields.
pub fn packet(kind: u8, fields: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fields.len() + 1).unwrap();
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(kind);
    packet.extend_from_slice(fields);
    packet
}

/// Reads a packet behind its length, or nothing when the stream has ended.
pub(crate) async fn read_packet(
    stream: &mut (impl AsyncRead + Unpin),
    lengths: RangeInclusive<usize>,
) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()? as usize;
    assert!(lengths.contains(&length), "a packet of {length} bytes");
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await.ok()?;
    Some(packet)
}

/// Reads fields one after the other.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Takes a number of bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (front, back) = self.0.split_at(count);
        self.0 = back;
        front
    }

    /// Takes a 32-bit number.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    /// Takes a 64-bit number.
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    /// Takes bytes with their length in front.
    pub fn string(&mut self) -> &'a [u8] {
        let length = self.u32();
        self.take(length as usize)
    }

    /// Takes attributes.
    pub fn attributes(&mut self) -> Attributes {
        let flags = self.u32();
        let mut attributes = Attributes::default();
        if flags & 1 != 0 {
            attributes.size = Some(self.u64());
        }
        if flags & 2 != 0 {
            attributes.owner = Some((self.u32(), self.u32()));
        }
        if flags & 4 != 0 {
            attributes.mode = Some(self.u32());
        }
        if flags & 8 != 0 {
            attributes.times = Some((self.u32(), self.u32()));
        }
        attributes
    }
}

/// Attributes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Bytes.
    pub size: Option<u64>,
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// Type and permissions.
    pub mode: Option<u32>,
    /// Seconds of the last access and of the last change.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    /// Returns the attributes as they are sent.
    pub fn encode(&self) -> Vec<u8> {
        let flags = u32::from(self.size.is_some())
            | u32::from(self.owner.is_some()) << 1
            | u32::from(self.mode.is_some()) << 2
            | u32::from(self.times.is_some()) << 3;
        let mut fields = Fields::new().u32(flags);
        if let Some(size) = self.size {
            fields = fields.u64(size);
        }
        if let Some((user, group)) = self.owner {
            fields = fields.u32(user).u32(group);
        }
        if let Some(mode) = self.mode {
            fields = fields.u32(mode);
        }
        if let Some((access, change)) = self.times {
            fields = fields.u32(access).u32(change);
        }
        fields.0
    }

    /// Tells whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    }

    /// Tells whether it is a link.
    pub fn is_link(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o120_000)
    }
}
