//! Uploads whose writes go to the end of the file, whatever their offset (`SSH_FXF_APPEND`, draft
//! section 6.3; OpenSSH opens with `O_APPEND`). Several sessions may append to one file at once: each
//! has room for its own bytes, and the storage puts each write behind what is there then.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ferryd_domain::{Fault, Operation};
use ferryd_storage::{CopySource, WriteHow, WriteMode};

use super::pieces::{length_of, split_front};
use super::{Started, Upload};
use crate::files::UserFiles;
use crate::files::open_files::UsageDelta;

/// Bytes that are copied to the end of another file at once.
const STEP: u64 = 1 << 20;

impl Upload {
    /// Tells whether writes go to the end of the file.
    pub fn appends(&self) -> bool {
        self.appended.is_some()
    }

    /// Appends all slices.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Failed`; the transfer then counts as broken.
    pub async fn append(&self, mut data: Vec<Bytes>) -> Result<(), Fault> {
        let most = self.piece().unwrap_or(usize::MAX);
        while length_of(&data) > 0 {
            let piece = split_front(&mut data, most);
            let length = length_of(&piece);
            match self.try_append(piece.clone()).await {
                Ok(stored) => {
                    let mut rest = piece;
                    split_front(&mut rest, stored.min(length));
                    data.splice(0..0, rest);
                }
                Err(fault) => {
                    self.break_with(&fault);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Appends in one piece; returns how many bytes are stored. A failure, of which nothing is
    /// stored, does not break the transfer: the caller tries again in smaller pieces.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Failed`.
    pub async fn try_append(&self, data: Vec<Bytes>) -> Result<usize, Fault> {
        self.admit(0, length_of(&data)).await?;
        let stored = self.handle.append(data).await?;
        self.progress.moved(stored as u64);
        Ok(stored)
    }

    /// Makes sure that this many bytes more may be appended. When more must be asked for, the file
    /// is looked at: the end of another session may have counted some of this one's bytes.
    pub(super) async fn make_room_at_end(
        &self,
        appended: &AtomicU64,
        length: u64,
    ) -> Result<(), Fault> {
        let mut reservation = self.reservation.lock().await;
        let mut total = appended.load(Ordering::Acquire).saturating_add(length);
        if total > reservation.granted() {
            let end = self.handle.stat().await?.size.saturating_add(length);
            total = total.min(end.saturating_sub(self.counted.load(Ordering::Acquire)));
            reservation.grow(total).await?;
        }
        appended.store(total, Ordering::Release);
        Ok(())
    }

    /// Puts what this upload holds beside its target behind the file that has come there since its
    /// start, and gives its own file up. Returns the change and the size that the file has then.
    pub(super) async fn join_target(&self) -> Result<(UsageDelta, u64), Fault> {
        self.files.permit(Operation::Overwrite, &self.path)?;
        self.files.permit_at(Operation::Overwrite, &self.path, self.resolved())?;
        let target = {
            let mut open = self.files.shared.open_files.lock().await;
            UserFiles::start_at(&mut open, self.resolved(), END_OF_TARGET).await?
        };
        let copied = self.copy_to_end_of(&target).await;
        let joined = self.measure_end(&target).await;
        copied?;
        self.handle.discard().await?;
        joined
    }

    async fn copy_to_end_of(&self, target: &Started) -> Result<(), Fault> {
        let size = self.handle.stat().await?.size;
        let source = CopySource::Write(self.handle.as_ref());
        let mut done = 0;
        while done < size {
            let step = STEP.min(size - done);
            match target.handle.copy_from(source, done, 0, step).await? {
                0 => break,
                copied => done = done.saturating_add(copied),
            }
        }
        Ok(())
    }

    async fn measure_end(&self, target: &Started) -> Result<(UsageDelta, u64), Fault> {
        let mut open = self.files.shared.open_files.lock().await;
        let finished = target.handle.finish().await;
        let metadata = target.handle.stat().await;
        let delta =
            metadata.as_ref().ok().and_then(|metadata| open.measure(metadata)).unwrap_or_default();
        if let Some(file_id) = target.in_place {
            open.end(file_id);
        }
        finished?;
        Ok((delta, metadata?.size))
    }
}

/// How the file is opened that has come to the target meanwhile.
const END_OF_TARGET: WriteHow = WriteHow {
    mode: WriteMode::Direct,
    read: false,
    create: false,
    truncate: false,
    exclusive: false,
    append: true,
    permissions: 0,
};
