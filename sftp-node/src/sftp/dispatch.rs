//! From a request to its handler: the table of requests.

use ferryd_domain::Fault;

use super::channel::SftpChannel;
use super::frames::Frame;
use super::handles::Open;
use super::packet;
use super::requests::{Request, WriteRequest};
use super::transfers::writes;
use super::version::put_version;
use super::wire::{Fields, malformed};
use crate::budget::Exhausted;

/// Replies go to the writer when this many bytes have collected.
const BATCH: usize = 32 * 1024;

impl SftpChannel {
    /// Serves one packet.
    ///
    /// # Errors
    /// [`Exhausted`] when the client has too much waiting.
    pub async fn frame(&mut self, frame: Frame) -> Result<(), Exhausted> {
        match frame {
            Frame::Write { head, mut data } => match WriteRequest::parse(&head, &mut data) {
                Ok(request) if self.initialized => {
                    self.wait_for_late().await?;
                    self.write(request, data).await?;
                }
                Ok(request) => self.fail(request.id, &malformed()),
                Err((id, fault)) => self.fail(id, &fault),
            },
            Frame::Whole(packet) => {
                self.flush_gather().await?;
                self.packet(&packet).await?;
            }
        }
        if self.out.len() >= BATCH { self.flush_replies() } else { Ok(()) }
    }

    async fn packet(&mut self, packet: &[u8]) -> Result<(), Exhausted> {
        let mut fields = Fields::new(packet);
        let Ok(kind) = fields.byte() else { return Ok(()) };
        if kind == packet::INIT {
            self.initialized = true;
            put_version(&mut self.out);
            return Ok(());
        }
        let Ok(id) = fields.u32() else {
            self.fail(0, &malformed());
            return Ok(());
        };
        if !self.initialized {
            self.fail(id, &malformed().context("a request before INIT"));
            return Ok(());
        }
        match Request::parse(kind, fields.rest()) {
            Ok(request) => self.request(id, request).await,
            Err(fault) => {
                self.fail(id, &fault);
                Ok(())
            }
        }
    }

    /// The table of requests. All but the most frequent are boxed: a channel that does nothing
    /// should not hold the memory of the largest.
    async fn request(&mut self, id: u32, request: Request<'_>) -> Result<(), Exhausted> {
        if !self.late.is_empty() && self.may_change(&request) {
            self.wait_for_late().await?;
        }
        match request {
            Request::Read { handle, offset, length } => {
                return self.read(id, handle, offset, length);
            }
            Request::ReadDir { handle } => return self.read_dir(id, handle),
            Request::Close { handle } => return Box::pin(self.close(id, handle)).await,
            Request::Fstat { handle } => return Box::pin(self.fstat(id, handle)).await,
            Request::FsetStat { handle, set } => {
                return Box::pin(self.fset_stat(id, handle, set)).await;
            }
            Request::Extended { name, body } => {
                return Box::pin(self.extended(id, name, body)).await;
            }
            Request::Open { path, flags, permissions } => {
                Box::pin(self.open(id, path, flags, permissions)).await;
            }
            Request::OpenDir { path } => Box::pin(self.open_dir(id, path)).await,
            Request::Stat { path, links } => return self.stat(id, path, links).await,
            Request::SetStat { path, set } => Box::pin(self.set_stat(id, path, set)).await,
            Request::RealPath { path } => self.real_path(id, path),
            Request::ReadLink { path } => Box::pin(self.read_link(id, path)).await,
            Request::Remove { path } => Box::pin(self.remove(id, path)).await,
            Request::RemoveDir { path } => Box::pin(self.remove_dir(id, path)).await,
            Request::MakeDir { path, permissions } => {
                Box::pin(self.make_dir(id, path, permissions)).await;
            }
            Request::Rename { from, to } => Box::pin(self.rename(id, from, to)).await,
            Request::Symlink { target, link } => Box::pin(self.symlink(id, target, link)).await,
            Request::Unknown => self.fail(id, &Fault::unsupported("unknown request")),
        }
        Ok(())
    }

    /// Tells whether a request may change what a STAT before it has asked for.
    fn may_change(&self, request: &Request<'_>) -> bool {
        match request {
            Request::Stat { .. }
            | Request::Fstat { .. }
            | Request::Read { .. }
            | Request::ReadDir { .. }
            | Request::OpenDir { .. }
            | Request::RealPath { .. }
            | Request::ReadLink { .. }
            | Request::Unknown => false,
            Request::Open { flags, .. } => writes(*flags),
            Request::Close { handle } => matches!(self.handles.get(*handle), Ok(Open::Upload(_))),
            Request::SetStat { .. }
            | Request::FsetStat { .. }
            | Request::Remove { .. }
            | Request::RemoveDir { .. }
            | Request::MakeDir { .. }
            | Request::Rename { .. }
            | Request::Symlink { .. }
            | Request::Extended { .. } => true,
        }
    }
}
