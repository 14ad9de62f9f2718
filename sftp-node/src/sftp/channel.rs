//! What the requests of one channel share: open handles, replies and WRITEs that have collected,
//! STATs that are late. Replies collect in a buffer that goes to the writer at the end of a batch,
//! so that many small requests cost one wake-up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferryd_domain::Fault;

use super::gather::Gather;
use super::handles::{HandleKey, Handles, Open};
use super::late::Late;
use super::replies::{Pending, Queue, Waiting};
use super::wire::PutFields;
use super::{packet, status};
use crate::budget::Exhausted;
use crate::files::UserFiles;
use crate::session::Session;

/// One SFTP channel: what is open on it, and what has collected.
#[derive(Debug)]
pub(super) struct SftpChannel {
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
    pub(super) initialized: bool,
    /// Whether replies take the form that paramiko expects where clients differ.
    pub(super) is_paramiko: bool,
}

impl SftpChannel {
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

    /// Hands the WRITEs that have collected to the storage. At a limited rate that takes its
    /// time, and the answers to what is stored already do not wait for it.
    pub(super) async fn flush_gather(&mut self) -> Result<(), Exhausted> {
        let Some(gather) = self.gather.take() else { return Ok(()) };
        if gather.is_paced() {
            self.flush_replies()?;
        }
        gather.store(&mut self.out).await;
        Ok(())
    }

    /// Tells whether requests of an upload wait for the writer.
    pub(super) fn is_waiting(&self, handle: HandleKey) -> bool {
        self.handles.waiting(handle).load(Ordering::Relaxed) > 0
    }

    /// Lets a request of an upload wait behind those before it.
    pub(super) fn defer_on(
        &mut self,
        handle: HandleKey,
        cost: usize,
        run: impl Future<Output = Vec<u8>> + Send + 'static,
    ) -> Result<(), Exhausted> {
        let waiting = Waiting::on(self.handles.waiting(handle));
        let run = Box::pin(async move {
            let reply = run.await;
            drop(waiting);
            reply
        });
        self.defer(Pending::Deferred { run, cost: cost + 256 })
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
    pub(super) fn put_handle(&mut self, id: u32, open: Open) {
        let key = self.handles.insert(open);
        self.out.put_packet(packet::HANDLE, id, |body| body.put_string(&key.to_wire()));
    }
}
