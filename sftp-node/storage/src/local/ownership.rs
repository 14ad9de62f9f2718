//! Who owns what an account makes. Only root can give files away; for others nothing is done.

use std::os::fd::AsFd;

use ferryd_domain::Account;
use rustix::fs::{AtFlags, Gid, Uid};

/// The owner of new entries; `None` leaves what the operating system chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    uid: Option<Uid>,
    gid: Option<Gid>,
}

impl Ownership {
    /// Returns the owner of an account's files; nobody when this process is not root.
    pub fn of(account: &Account) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::default();
        }
        Self {
            uid: account.owner_uid().map(Uid::from_raw),
            gid: account.owner_gid().map(Gid::from_raw),
        }
    }

    /// Returns this owner, with what is open taken from a file that is replaced.
    pub(super) fn or_of(self, uid: u32, gid: u32) -> Self {
        if !rustix::process::geteuid().is_root() {
            return self;
        }
        Self {
            uid: self.uid.or_else(|| Some(Uid::from_raw(uid))),
            gid: self.gid.or_else(|| Some(Gid::from_raw(gid))),
        }
    }

    fn is_nobody(self) -> bool {
        self.uid.is_none() && self.gid.is_none()
    }

    /// Gives a name to the owner; a link itself, not what it leads to. The entry is made already,
    /// so a refusal (a network file system that does not trust root) is only logged.
    pub(super) fn give_name(self, directory: impl AsFd, name: &[u8]) {
        if self.is_nobody() {
            return;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Err(error) = rustix::fs::chownat(directory, name, self.uid, self.gid, flags) {
            tracing::warn!(%error, "the owner of a new entry could not be set");
        }
    }

    /// Gives an open file to the owner.
    pub(super) fn give_file(self, file: impl AsFd) {
        if self.is_nobody() {
            return;
        }
        if let Err(error) = rustix::fs::fchown(file, self.uid, self.gid) {
            tracing::warn!(%error, "the owner of a new file could not be set");
        }
    }
}
