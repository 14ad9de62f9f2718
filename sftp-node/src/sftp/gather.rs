//! WRITEs that follow one another, gathered so that they reach the storage together.

use std::sync::Arc;

use bytes::Bytes;

use super::handles::HandleKey;
use super::requests::WriteRequest;
use super::status;
use crate::files::{Upload, split_front};

/// WRITEs that follow one another are handed to the storage together, up to this many bytes.
const GATHER: usize = 1 << 20;

/// WRITEs of one handle that follow one another.
#[derive(Debug)]
pub(super) struct Gather {
    handle: HandleKey,
    upload: Arc<Upload>,
    offset: u64,
    length: usize,
    data: Vec<Bytes>,
    requests: Vec<Part>,
}

/// One WRITE of a gather.
#[derive(Debug)]
struct Part {
    id: u32,
    length: usize,
}

impl Gather {
    /// Starts with the WRITE of this id at this offset.
    pub(super) fn start(
        handle: HandleKey,
        upload: Arc<Upload>,
        (id, offset): (u32, u64),
        length: usize,
        data: Vec<Bytes>,
    ) -> Self {
        Self { handle, upload, offset, length, data, requests: vec![Part { id, length }] }
    }

    /// Tells whether a WRITE begins where this one ends, and may go together with it.
    pub(super) fn continues_with(&self, request: &WriteRequest, length: usize) -> bool {
        self.handle == request.handle
            && (self.upload.appends()
                || self.offset.checked_add(self.length as u64) == Some(request.offset))
            && self.length + length <= self.most()
    }

    /// Returns how much may go together: at a limited rate no more than one step of it.
    fn most(&self) -> usize {
        self.upload.piece().map_or(GATHER, |piece| piece.min(GATHER))
    }

    /// Tells whether the account's rate is limited, so that storing takes its time.
    pub(super) fn is_paced(&self) -> bool {
        self.upload.piece().is_some()
    }

    /// Adds a WRITE.
    pub(super) fn add(&mut self, id: u32, length: usize, data: Vec<Bytes>) {
        self.length += length;
        self.data.extend(data);
        self.requests.push(Part { id, length });
    }

    /// Stores everything and appends the replies. When that fails each WRITE is tried alone, so
    /// that each gets the answer that is its own.
    pub(super) async fn store(self, out: &mut Vec<u8>) {
        if self.upload.appends() {
            return self.append(out).await;
        }
        if self.requests.len() == 1 {
            let stored = self.upload.write(self.offset, self.data).await;
            return self.requests.iter().for_each(|part| status::put_result(out, part.id, &stored));
        }
        let stored = self.upload.try_write(self.offset, self.data.clone()).await;
        if stored.is_ok() {
            return self.requests.iter().for_each(|part| status::put_result(out, part.id, &stored));
        }
        self.store_singly(out).await;
    }

    /// Appends everything in one piece as far as that goes, and the rest WRITE by WRITE: what is
    /// stored once must not be appended again.
    async fn append(mut self, out: &mut Vec<u8>) {
        let mut stored = self.upload.try_append(self.data.clone()).await.unwrap_or(0);
        split_front(&mut self.data, stored);
        for part in &self.requests {
            let done = stored.min(part.length);
            stored -= done;
            let rest = split_front(&mut self.data, part.length - done);
            let appended = self.upload.append(rest).await;
            status::put_result(out, part.id, &appended);
        }
    }

    async fn store_singly(mut self, out: &mut Vec<u8>) {
        let mut offset = self.offset;
        for part in &self.requests {
            let data = split_front(&mut self.data, part.length);
            let stored = self.upload.write(offset, data).await;
            status::put_result(out, part.id, &stored);
            offset = offset.saturating_add(part.length as u64);
        }
    }
}
