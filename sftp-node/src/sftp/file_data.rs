//! Extensions that work on what files hold: copy-data and check-file
//! (draft-ietf-secsh-filexfer-extensions-00 sections 6 and 3).

use std::sync::Arc;

use ferryd_domain::Fault;

use super::dispatch::Dispatcher;
use super::handles::{Open, invalid};
use super::packet;
use super::requests::handle;
use super::wire::{Fields, PutFields};
use crate::digest::Algorithm;
use crate::files::{Download, Range, copy};

/// Smallest block of check-file, but for 0.
const MIN_BLOCK: u32 = 256;
/// Digests of one reply take at most this many bytes.
const MAX_DIGESTS: u64 = 64 * 1024;
/// Longest digest.
const DIGEST: u64 = 64;

impl Dispatcher {
    /// copy-data: a range of one open file into another.
    pub(super) async fn copy_data(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Fault> {
        let source = handle(body)?;
        let range = Range::to_end_if_zero(body.u64()?, body.u64()?);
        let target = handle(body)?;
        let offset = body.u64()?;
        if source == target {
            return Err(Fault::failed("source and target are one handle"));
        }
        let (Open::Download(from), Open::Upload(to)) =
            (self.handles.get(source)?, self.handles.get(target)?)
        else {
            return Err(invalid());
        };
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let done = copy(&from, range, &to, offset).await;
        self.conclude(id, done);
        Ok(())
    }

    /// check-file-name.
    pub(super) async fn check_file_name(
        &mut self,
        id: u32,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let path = body.string()?;
        let file = self.files.open_unlisted(path).await?;
        self.check_file(id, &file, body).await
    }

    /// check-file-handle.
    pub(super) async fn check_file_handle(
        &mut self,
        id: u32,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let Open::Download(file) = self.handles.get(handle(body)?)? else { return Err(invalid()) };
        let file = Arc::clone(file);
        self.check_file(id, &file, body).await
    }

    async fn check_file(
        &mut self,
        id: u32,
        file: &Download,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let names = body.string()?;
        let range = Range::to_end_if_zero(body.u64()?, body.u64()?);
        let block = block_size(body.u32()?)?;
        let algorithm = names
            .split(|byte| *byte == b',')
            .find_map(Algorithm::from_name)
            .ok_or_else(|| Fault::unsupported("no known digest algorithm"))?;
        if let Some(block) = block {
            let size = range.length.unwrap_or(file.stat().await?.size);
            if size / block > MAX_DIGESTS / DIGEST {
                return Err(Fault::invalid("too many blocks"));
            }
        }
        let digests = self.files.digests(file, algorithm, range, block).await?;
        let with_extension_name = self.is_paramiko;
        self.out.put_packet(packet::EXTENDED_REPLY, id, |reply| {
            // paramiko expects the name of the extension first, WinSCP and ProFTPD do not.
            if with_extension_name {
                reply.put_string(b"check-file");
            }
            reply.put_string(algorithm.name().as_bytes());
            reply.extend_from_slice(&digests);
        });
        Ok(())
    }
}

fn block_size(block: u32) -> Result<Option<u64>, Fault> {
    match block {
        0 => Ok(None),
        1..MIN_BLOCK => Err(Fault::invalid("block too small")),
        _ => Ok(Some(u64::from(block))),
    }
}
