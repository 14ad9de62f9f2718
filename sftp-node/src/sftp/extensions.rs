//! Extensions: what EXTENDED requests ask for (OpenSSH's PROTOCOL file,
//! section 4; draft-ietf-secsh-filexfer-extensions).

use ferryd_domain::Fault;
use ferryd_storage::{Links, Space};

use super::channel::SftpChannel;
use super::handles::{Open, invalid};
use super::requests::handle;
use super::wire::{Fields, PutFields};
use super::{MAX_DATA, MAX_HANDLES, MAX_PACKET, attributes, listing, packet, status};
use crate::budget::Exhausted;

impl SftpChannel {
    /// EXTENDED. Replies that are ready do not wait for a digest, which may take minutes.
    pub(super) async fn extended(
        &mut self,
        id: u32,
        name: &[u8],
        mut body: Fields<'_>,
    ) -> Result<(), Exhausted> {
        let done = match name {
            b"copy-data" => return self.copy_data(id, &mut body),
            b"fsync@openssh.com" => return self.fsync(id, &mut body).await,
            b"posix-rename@openssh.com" => self.posix_rename(id, &mut body).await,
            b"statvfs@openssh.com" => self.statvfs(id, &mut body).await,
            b"fstatvfs@openssh.com" => self.fstatvfs(id, &mut body).await,
            b"hardlink@openssh.com" => self.hardlink(id, &mut body).await,
            b"lsetstat@openssh.com" => self.lsetstat(id, &mut body).await,
            b"limits@openssh.com" => self.limits(id),
            b"expand-path@openssh.com" => self.expand_path(id, &mut body),
            b"check-file-name" => {
                self.flush_replies()?;
                self.check_file_name(id, &mut body).await
            }
            // The second is the name of an older draft, which paramiko asks for.
            b"check-file-handle" | b"check-file" => {
                self.flush_replies()?;
                self.check_file_handle(id, &mut body).await
            }
            b"home-directory" => self.home_directory(id, &mut body),
            b"users-groups-by-id@openssh.com" => self.users_groups(id, &mut body),
            _ => Err(Fault::unsupported("unknown extension")),
        };
        if let Err(fault) = done {
            self.fail(id, &fault);
        }
        Ok(())
    }

    async fn posix_rename(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let (from, to) = (body.string()?, body.string()?);
        self.rename(id, from, to).await;
        Ok(())
    }

    async fn statvfs(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let space = self.files.space(body.string()?).await?;
        self.put_space(id, &space);
        Ok(())
    }

    async fn fstatvfs(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let path = match self.handles.get(handle(body)?)? {
            Open::Download(download) => download.path().clone(),
            Open::Upload(upload) => upload.path().directory(),
            Open::Directory(directory) => directory.path().clone(),
        };
        let space = self.files.space_of_open(path).await?;
        self.put_space(id, &space);
        Ok(())
    }

    async fn hardlink(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let (existing, link) = (body.string()?, body.string()?);
        let done = self.files.make_hard_link(existing, link).await;
        self.conclude(id, done);
        Ok(())
    }

    /// Behind the requests of the handle that wait. A handle for reading will do, as for fsync(2).
    async fn fsync(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Exhausted> {
        let done = match handle(body).and_then(|key| Ok((key, self.handles.get(key)?.clone()))) {
            Ok((key, Open::Upload(upload))) if self.is_waiting(key) => {
                return self.defer_on(key, 0, async move {
                    let mut out = Vec::new();
                    status::put_result(&mut out, id, &upload.sync().await);
                    out
                });
            }
            Ok((_, Open::Upload(upload))) => upload.sync().await,
            Ok((_, Open::Download(download))) => download.sync().await,
            Ok((_, Open::Directory(_))) => Err(invalid()),
            Err(fault) => Err(fault),
        };
        self.conclude(id, done);
        Ok(())
    }

    async fn lsetstat(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let path = body.string()?;
        let set = attributes::read(body)?;
        let done = self.files.set_attributes(path, set, Links::Keep).await;
        self.conclude(id, done);
        Ok(())
    }

    fn limits(&mut self, id: u32) -> Result<(), Fault> {
        self.out.put_packet(packet::EXTENDED_REPLY, id, |body| {
            for limit in [MAX_PACKET, MAX_DATA, MAX_DATA, MAX_HANDLES] {
                body.put_u64(limit as u64);
            }
        });
        Ok(())
    }

    /// `~` and the own name are the start directory; other accounts do not exist here.
    fn expand_path(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let path = body.string()?;
        let inside = match path.strip_prefix(b"~") {
            None => path,
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                let (name, rest) = rest.split_at(end);
                self.check_own_name(name)?;
                rest.strip_prefix(b"/").unwrap_or(rest)
            }
        };
        self.real_path(id, inside);
        Ok(())
    }

    fn home_directory(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        self.check_own_name(body.string()?)?;
        listing::put_path(&mut self.out, id, b"/");
        Ok(())
    }

    fn check_own_name(&self, name: &[u8]) -> Result<(), Fault> {
        let own = self.files.account().username.as_str().as_bytes();
        if name.is_empty() || name == own { Ok(()) } else { Err(Fault::not_found("no such user")) }
    }

    /// The account's own ids have its name, others have none. A long name for many ids must not
    /// make an answer of any length.
    fn users_groups(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let (users, groups) = (body.string()?, body.string()?);
        let account = self.files.account();
        let name = account.username.as_str().as_bytes();
        let users = names_of(users, account.owner_uid(), name)?;
        let groups = names_of(groups, account.owner_gid(), name)?;
        if users.len() + groups.len() > MAX_DATA {
            return Err(Fault::invalid("too many ids"));
        }
        self.out.put_packet(packet::EXTENDED_REPLY, id, |reply| {
            reply.put_string(&users);
            reply.put_string(&groups);
        });
        Ok(())
    }

    fn put_space(&mut self, id: u32, space: &Space) {
        /// `SSH_FXE_STATVFS_ST_NOSUID`: the server never sets setuid bits.
        const NO_SETUID: u64 = 2;
        let numbers = [
            space.block_size,
            space.block_size,
            space.blocks,
            space.blocks_free,
            space.blocks_available,
            space.files,
            space.files_free,
            space.files_free,
            space.id,
            NO_SETUID,
            space.name_max,
        ];
        self.out.put_packet(packet::EXTENDED_REPLY, id, |body| {
            numbers.into_iter().for_each(|number| body.put_u64(number));
        });
    }
}

/// A list that breaks off in the middle of an id is malformed, as for OpenSSH.
fn names_of(ids: &[u8], own: Option<u32>, name: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut names = Vec::new();
    let count = ids.len().div_ceil(size_of::<u32>());
    let mut ids = Fields::new(ids);
    for _ in 0..count {
        names.put_string(if own == Some(ids.u32()?) { name } else { b"" });
    }
    Ok(names)
}
