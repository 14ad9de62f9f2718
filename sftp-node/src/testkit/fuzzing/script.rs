//! From a fuzzer's bytes to what a client does. Every input means something: the first bytes say
//! who the client is and how it behaves, each further byte starts a request that is well-formed
//! more often than not, with names and handles that are likely to exist.

use std::collections::BTreeMap;

use ferryd_domain::account::{ACTIVE, ExtensionFilter, Filters};
use ferryd_domain::{Account, Username};

use crate::sftp::packet;
use crate::sftp::wire::PutFields;

/// Requests of one conversation.
const MOST_STEPS: usize = 96;

/// Who talks and how.
#[derive(Debug)]
pub(super) struct Setup {
    pub account: Account,
    pub upload_mode: i64,
    pub has_folder: bool,
    pub client_version: &'static str,
    /// Bytes that are sent at once.
    pub piece: usize,
    pub ending: Ending,
    /// Whether replies are only read when everything is sent.
    pub reads_late: bool,
}

/// How the client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It says that it has no more requests, and reads on.
    Eof,
    /// It closes the channel.
    Close,
    /// Its connection breaks.
    Vanish,
}

/// One thing that the client does.
#[derive(Debug)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Waits for the replies to all that was sent.
    Settle,
}

const NAMES: [&[u8]; 26] = [
    b"/",
    b"",
    b".",
    b"..",
    b"f",
    b"/f",
    b"/d",
    b"/d/g",
    b"/l",
    b"/l/g",
    b"/m",
    b"/m/h",
    b"/m/new",
    b"/x.zip",
    b"/X.ZIP",
    b"/new",
    b"/new/below",
    b"/d/new",
    b"/d/../f",
    b"//d//./g/",
    b"/circle",
    b"/dangling",
    b"/f/below",
    b"a\0b",
    b"\xff\xfe",
    b"~",
];
const OFFSETS: [u64; 16] = [
    0,
    0,
    1,
    10,
    99,
    100,
    101,
    1000,
    32_768,
    40_000,
    65_536,
    262_143,
    262_144,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];
const LENGTHS: [u32; 10] = [0, 1, 10, 100, 1000, 32_768, 65_536, 261_120, 262_144, u32::MAX];
const SIZES: [usize; 8] = [0, 1, 10, 100, 300, 1000, 5000, 32_768];
const PIECES: [usize; 5] = [7, 64, 1000, 16_384, usize::MAX];
const DIGESTS: [&[u8]; 5] = [b"sha256,md5", b"md5", b"sha512", b"rot13", b""];
const EXTENSIONS: [&[u8]; 14] = [
    b"posix-rename@openssh.com",
    b"statvfs@openssh.com",
    b"fstatvfs@openssh.com",
    b"hardlink@openssh.com",
    b"fsync@openssh.com",
    b"lsetstat@openssh.com",
    b"limits@openssh.com",
    b"expand-path@openssh.com",
    b"copy-data",
    b"home-directory",
    b"check-file-name",
    b"check-file-handle",
    b"users-groups-by-id@openssh.com",
    b"unknown@example.com",
];

/// Reads an input.
pub(super) fn read(input: &[u8]) -> (Setup, Vec<Step>) {
    let mut source = Source { bytes: input, next_id: 1 };
    let setup = source.setup();
    let mut steps = Vec::new();
    while !source.bytes.is_empty() && steps.len() < MOST_STEPS {
        steps.push(source.step());
    }
    (setup, steps)
}

struct Source<'a> {
    bytes: &'a [u8],
    next_id: u32,
}

impl Source<'_> {
    /// Returns the next byte, 0 at the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken.to_vec()
    }

    fn setup(&mut self) -> Setup {
        let (kind, habits) = (self.byte(), self.byte());
        Setup {
            account: account(self.byte()),
            upload_mode: i64::from(kind % 3),
            has_folder: kind & 0x10 != 0,
            client_version: if kind & 0x20 != 0 { "SSH-2.0-paramiko_3" } else { "SSH-2.0-x" },
            piece: PIECES[usize::from(habits & 7) % PIECES.len()],
            ending: match habits >> 3 & 3 {
                0 | 1 => Ending::Eof,
                2 => Ending::Close,
                _ => Ending::Vanish,
            },
            reads_late: habits & 0x20 != 0,
        }
    }

    fn step(&mut self) -> Step {
        match self.byte() {
            choice @ 0..0xe0 => {
                let kind = KINDS[usize::from(choice) % KINDS.len()];
                Step::Send(self.request(kind))
            }
            0xe0..0xf0 => Step::Settle,
            0xf0..0xf8 => {
                let (kind, length) = (self.byte(), usize::from(self.byte()));
                let body = self.take(length);
                Step::Send(self.packet(kind, |packet, _| packet.extend_from_slice(&body)))
            }
            // Whatever comes, the stream may not be one of packets any more.
            0xf8.. => {
                let length = usize::from(self.byte());
                Step::Send(self.take(length))
            }
        }
    }

    fn packet(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>, &mut Self)) -> Vec<u8> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let mut fields = Vec::new();
        fill(&mut fields, self);
        let mut out = Vec::new();
        out.put_packet(kind, id, |body| body.extend_from_slice(&fields));
        out
    }

    fn request(&mut self, kind: u8) -> Vec<u8> {
        self.packet(kind, |body, source| match kind {
            packet::OPEN => {
                source.name(body);
                body.put_u32(u32::from(source.byte()));
                source.attributes(body);
            }
            packet::CLOSE | packet::FSTAT | packet::READDIR => source.handle(body),
            packet::READ => {
                source.handle(body);
                body.put_u64(source.one_of(&OFFSETS));
                body.put_u32(source.one_of(&LENGTHS));
            }
            packet::WRITE => {
                source.handle(body);
                body.put_u64(source.one_of(&OFFSETS));
                let size = source.one_of(&SIZES);
                body.put_string(&vec![b'w'; size]);
            }
            packet::SETSTAT | packet::MKDIR => {
                source.name(body);
                source.attributes(body);
            }
            packet::FSETSTAT => {
                source.handle(body);
                source.attributes(body);
            }
            packet::RENAME | packet::SYMLINK => {
                source.name(body);
                source.name(body);
            }
            packet::EXTENDED => source.extension(body),
            packet::INIT => {}
            _ => source.name(body),
        })
    }

    fn extension(&mut self, body: &mut Vec<u8>) {
        let name = self.one_of(&EXTENSIONS);
        body.put_string(name);
        match name {
            b"posix-rename@openssh.com" | b"hardlink@openssh.com" => {
                self.name(body);
                self.name(body);
            }
            b"fstatvfs@openssh.com" | b"fsync@openssh.com" => self.handle(body),
            b"lsetstat@openssh.com" => {
                self.name(body);
                self.attributes(body);
            }
            b"copy-data" => {
                self.handle(body);
                body.put_u64(self.one_of(&OFFSETS));
                body.put_u64(self.one_of(&OFFSETS));
                self.handle(body);
                body.put_u64(self.one_of(&OFFSETS));
            }
            b"check-file-name" => {
                self.name(body);
                self.digest(body);
            }
            b"check-file-handle" => {
                self.handle(body);
                self.digest(body);
            }
            b"users-groups-by-id@openssh.com" => {
                for _ in 0..2 {
                    let length = usize::from(self.byte() & 15);
                    body.put_string(&self.take(length));
                }
            }
            _ => self.name(body),
        }
    }

    fn digest(&mut self, body: &mut Vec<u8>) {
        body.put_string(self.one_of(&DIGESTS));
        body.put_u64(self.one_of(&OFFSETS));
        body.put_u64(self.one_of(&OFFSETS));
        body.put_u32(self.one_of(&[0, 256, 1000, 1, 65_536]));
    }

    fn name(&mut self, body: &mut Vec<u8>) {
        match self.byte() {
            byte @ 0..0xf0 => body.put_string(NAMES[usize::from(byte) % NAMES.len()]),
            0xf0 => body.put_string(&[b'n'; 256]),
            0xf1 => body.put_string(&b"/d".repeat(2050)),
            byte => {
                let name = self.take(usize::from(byte & 15));
                body.put_string(&name);
            }
        }
    }

    /// The lowest free place is given out first, so few are enough.
    fn handle(&mut self, body: &mut Vec<u8>) {
        match self.byte() {
            0xff => body.put_string(b"odd"),
            0xfe => body.put_string(&[0; 256]),
            byte => {
                let (place, generation) = (u64::from(byte & 7), u64::from(byte >> 3 & 3));
                body.put_string(&(place << 32 | generation).to_be_bytes());
            }
        }
    }

    fn attributes(&mut self, body: &mut Vec<u8>) {
        let flags = self.byte();
        let extended = flags & 0x80 != 0 && flags & 0x40 != 0;
        body.put_u32(u32::from(flags & 0x0f) | u32::from(extended) << 31);
        if flags & 1 != 0 {
            body.put_u64(self.one_of(&OFFSETS));
        }
        // Owner and group, permissions, times.
        for (flag, count) in [(2, 2), (4, 1), (8, 2)] {
            for _ in 0..if flags & flag != 0 { count } else { 0 } {
                let number = u32::from(self.byte());
                body.put_u32(number << (number & 24));
            }
        }
        if extended {
            body.put_u32(1);
            body.put_string(b"name");
            body.put_string(b"value");
        }
    }
}

/// What a byte stands for; the most interesting ones more than once.
const KINDS: [u8; 30] = [
    packet::OPEN,
    packet::READ,
    packet::WRITE,
    packet::CLOSE,
    packet::EXTENDED,
    packet::OPEN,
    packet::READ,
    packet::WRITE,
    packet::CLOSE,
    packet::EXTENDED,
    packet::LSTAT,
    packet::FSTAT,
    packet::SETSTAT,
    packet::FSETSTAT,
    packet::OPENDIR,
    packet::READDIR,
    packet::REMOVE,
    packet::MKDIR,
    packet::RMDIR,
    packet::REALPATH,
    packet::STAT,
    packet::RENAME,
    packet::READLINK,
    packet::SYMLINK,
    packet::INIT,
    packet::STATUS,
    packet::WRITE,
    packet::READ,
    packet::OPEN,
    0xfa,
];

/// Returns an account with the restrictions that the bits name.
fn account(bits: u8) -> Account {
    let all = vec!["*".to_owned()];
    let mut permissions = BTreeMap::from([("/".to_owned(), all.clone())]);
    let some = match bits & 3 {
        0 => all,
        1 => ["list", "download", "upload"].map(str::to_owned).to_vec(),
        2 => ["list", "upload", "overwrite", "delete", "rename"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    permissions.insert("/d".to_owned(), some);
    let filter = ExtensionFilter {
        path: "/".to_owned(),
        allowed_extensions: Vec::new(),
        denied_extensions: vec![".zip".to_owned()],
    };
    let when = |bit: u8, number: i64| if bits & bit == 0 { 0 } else { number };
    Account {
        status: ACTIVE,
        username: Username::stored("alice"),
        home_dir: "/none".to_owned(),
        permissions,
        filters: Filters {
            file_extensions: if bits & 4 == 0 { Vec::new() } else { vec![filter] },
            ..Filters::default()
        },
        quota_size: when(8, 60_000),
        quota_files: when(0x10, 6),
        upload_bandwidth: when(0x20, 20),
        download_bandwidth: when(0x40, 20),
        uid: if bits & 0x80 == 0 { 0 } else { 1000 },
        ..Account::default()
    }
}
