//! From a request to its handler. Replies collect in a buffer that goes to the writer at the end
//! of a batch, so that many small requests cost one wake-up.

use std::sync::Arc;

use ferryd_domain::Fault;

use super::budget::Exhausted;
use super::frames::Frame;
use super::handles::{Handles, Open};
use super::late::Late;
use super::replies::{Pending, Queue};
use super::requests::{Request, WriteRequest};
use super::transfers::{Gather, writes};
use super::wire::{Fields, PutFields, malformed};
use super::{extensions, packet, status};
use crate::files::UserFiles;
use crate::session::Session;

/// Replies go to the writer when this many bytes have collected.
const BATCH: usize = 32 * 1024;

/// Serves the requests of one channel, one after another.
#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) files: UserFiles,
    pub(super) handles: Handles,
    pub(super) queue: Arc<Queue>,
    /// Replies that are not handed over yet.
    pub(super) out: Vec<u8>,
    /// WRITEs that are not handed to the storage yet.
    pub(super) gather: Option<Gather>,
    /// STATs that are not answered yet.
    pub(super) late: Late,
    /// Whether the version has been agreed on.
    initialized: bool,
    /// Whether replies take the form that paramiko expects where clients differ.
    pub(super) is_paramiko: bool,
}

impl Dispatcher {
    /// Starts with no handle open.
    pub fn new(session: &Session, queue: Arc<Queue>) -> Self {
        Self {
            files: session.files.clone(),
            handles: Handles::default(),
            queue,
            out: Vec::new(),
            gather: None,
            late: Late::default(),
            initialized: false,
            is_paramiko: session.client_version.contains("paramiko"),
        }
    }

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

    /// Hands everything that has collected to the storage and to the writer.
    ///
    /// # Errors
    /// [`Exhausted`] when the client has too much waiting.
    pub async fn flush(&mut self) -> Result<(), Exhausted> {
        self.flush_gather().await?;
        self.flush_replies()
    }

    /// Hands the replies that have collected to the writer.
    pub(super) fn flush_replies(&mut self) -> Result<(), Exhausted> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.queue.push(Pending::Bytes(std::mem::take(&mut self.out)))
    }

    /// Hands a request to the writer, behind the replies so far.
    pub(super) fn defer(&mut self, pending: Pending) -> Result<(), Exhausted> {
        self.flush_replies()?;
        self.queue.push(pending)
    }

    /// Waits for the STATs that are late.
    ///
    /// # Errors
    /// [`Exhausted`] when the client has too much waiting.
    pub async fn wait_for_late(&mut self) -> Result<(), Exhausted> {
        if self.late.is_empty() {
            return Ok(());
        }
        self.flush_replies()?;
        self.late.finish().await
    }

    /// Ends what the client has left open.
    pub async fn abort_open(&mut self) {
        // What cannot be answered any more is stored nonetheless.
        if let Some(gather) = self.gather.take() {
            gather.store(&mut self.out).await;
        }
        self.handles.abort_all().await;
    }

    async fn packet(&mut self, packet: &[u8]) -> Result<(), Exhausted> {
        let mut fields = Fields::new(packet);
        let Ok(kind) = fields.byte() else { return Ok(()) };
        if kind == packet::INIT {
            self.initialized = true;
            extensions::put_version(&mut self.out);
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
            Request::Open { path, flags } => Box::pin(self.open(id, path, flags)).await,
            Request::OpenDir { path } => Box::pin(self.open_dir(id, path)).await,
            Request::Stat { path, links } => return self.stat(id, path, links).await,
            Request::SetStat { path, set } => Box::pin(self.set_stat(id, path, set)).await,
            Request::RealPath { path } => self.real_path(id, path),
            Request::ReadLink { path } => Box::pin(self.read_link(id, path)).await,
            Request::Remove { path } => Box::pin(self.remove(id, path)).await,
            Request::RemoveDir { path } => Box::pin(self.remove_dir(id, path)).await,
            Request::MakeDir { path } => Box::pin(self.make_dir(id, path)).await,
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

    /// Answers with a fault.
    pub(super) fn fail(&mut self, id: u32, fault: &Fault) {
        status::put_fault(&mut self.out, id, fault);
    }

    /// Answers with success or a fault.
    pub(super) fn conclude(&mut self, id: u32, result: Result<(), Fault>) {
        match result {
            Ok(()) => status::put_ok(&mut self.out, id),
            Err(fault) => self.fail(id, &fault),
        }
    }

    /// Answers with a handle.
    pub(super) fn put_handle(&mut self, id: u32, open: super::handles::Open) {
        let key = self.handles.insert(open);
        self.out.put_packet(packet::HANDLE, id, |body| body.put_string(&key.to_wire()));
    }
}
