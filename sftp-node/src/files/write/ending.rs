//! The end of an upload: the file is put in place or given up, and what that changes is counted
//! under the lock of the open-file table, together with what it replaces.

use std::sync::atomic::Ordering;

use ferryd_control_plane::TransferDirection;
use ferryd_domain::{Fault, FaultKind};
use ferryd_storage::{FileId, Metadata, SetAttributes, WriteMode};

use super::Upload;
use crate::files::audit::FinishedTransfer;
use crate::files::open_files::{OpenFiles, UsageDelta};
use crate::files::read::CUT;

/// Tries to end while other sessions change what is replaced.
const ATTEMPTS: u32 = 8;

/// What an upload has left behind.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    delta: UsageDelta,
    /// Size of the file, when there is one.
    size: Option<u64>,
}

impl Left {
    /// What cannot be looked at.
    fn unknown() -> Self {
        Self { delta: UsageDelta::default().doubted(), size: None }
    }
}

impl Upload {
    /// Ends the upload: puts the file in place, or ends it as broken when a write has failed.
    ///
    /// # Errors
    /// What broke the upload.
    pub async fn close(&self) -> Result<(), Fault> {
        let broken = self.broken.lock().clone();
        let ended = match broken {
            Some(fault) => Err(fault),
            None => self.put_in_place().await,
        };
        match ended {
            Ok(left) => {
                self.settle(left).await;
                self.files.note_written(&self.path, self.resolved(), self.handle()).await;
                Ok(())
            }
            Err(fault) => {
                self.break_with(&fault);
                self.abort().await;
                Err(fault)
            }
        }
    }

    /// Ends a broken upload as the upload mode says; what stays is accounted.
    pub async fn abort(&self) {
        self.break_with(&Fault::failed(CUT));
        let left = match self.in_place {
            Some(file_id) => self.leave_in_place(file_id).await,
            None => self.give_up().await,
        };
        self.settle(left).await;
    }

    async fn put_in_place(&self) -> Result<Left, Fault> {
        if let Some(file_id) = self.in_place {
            let mut open = self.files.shared.open_files.lock().await;
            self.handle.finish().await?;
            let metadata = self.handle.stat().await?;
            let delta = open.measure(&metadata).unwrap_or_default();
            open.end(file_id);
            return Ok(Left { delta, size: Some(metadata.size) });
        }
        self.replace().await
    }

    /// Replaces the target. When what it replaces has shrunk or gone since the start, the
    /// difference needs room as well; that is asked for without holding the lock.
    async fn replace(&self) -> Result<Left, Fault> {
        let size = self.handle.stat().await?.size;
        for _ in 0..ATTEMPTS {
            self.make_room_to_replace(size).await?;
            let mut open = self.files.shared.open_files.lock().await;
            let old = self.target().await?;
            if self.appends() && old.is_some() {
                drop(open);
                let (delta, size) = self.join_target().await?;
                return Ok(Left { delta, size: Some(size) });
            }
            if self.fits(size, old.as_ref()).await {
                self.handle.finish().await?;
                return Ok(published(&mut open, size, old.as_ref()));
            }
        }
        Err(Fault::new(FaultKind::Conflict, "the file is being changed by others"))
    }

    async fn make_room_to_replace(&self, size: u64) -> Result<(), Fault> {
        let old = self.target().await?;
        // Behind another file an appended one has need of all its bytes, and has room for them.
        if self.appends() && old.is_some() {
            return Ok(());
        }
        self.counted.store(old.map_or(0, |old| old.size), Ordering::Release);
        self.reserve_name(old.as_ref()).await?;
        self.reserve_up_to(size).await
    }

    /// Without an old file the upload makes one more, which it had no need to ask for at its start.
    async fn reserve_name(&self, old: Option<&Metadata>) -> Result<(), Fault> {
        match old {
            Some(_) => Ok(()),
            None => self.reservation.lock().await.grow_by_a_file().await,
        }
    }

    /// Returns the file that has the name: a link that came there meanwhile was not counted.
    async fn target(&self) -> Result<Option<Metadata>, Fault> {
        match self.resolved.stat().await {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn fits(&self, size: u64, old: Option<&Metadata>) -> bool {
        let reservation = self.reservation.lock().await;
        let growth = size.saturating_sub(old.map_or(0, |old| old.size));
        growth <= reservation.granted() && (old.is_some() || reservation.has_file())
    }

    /// Leaves what was written in place, and counts it.
    async fn leave_in_place(&self, file_id: FileId) -> Left {
        let mut open = self.files.shared.open_files.lock().await;
        // An end that was refused at the close is over already.
        if let Err(fault) = self.handle.abort().await {
            tracing::debug!(sender = "sftpd", path = %self.path, error = %fault, "upload had ended");
        }
        let left = match self.handle.stat().await {
            Ok(metadata) => Left {
                delta: open.measure(&metadata).unwrap_or_default(),
                size: Some(metadata.size),
            },
            Err(_) => Left::unknown(),
        };
        open.end(file_id);
        left
    }

    /// Gives up the temporary file, or keeps the part in its place as the mode says.
    async fn give_up(&self) -> Left {
        let keeps = self.files.shared.write_mode == WriteMode::AtomicKeepPart;
        if keeps
            && self.appends()
            && let Ok(Some(_)) = self.target().await
            && let Ok((delta, size)) = self.join_target().await
        {
            return Left { delta, size: Some(size) };
        }
        if keeps && let Ok(None) = self.target().await {
            // Refused, nothing is kept below.
            let _ = self.reserve_name(None).await;
        }
        let mut open = self.files.shared.open_files.lock().await;
        let kept = if keeps { self.part_that_fits().await } else { None };
        let ended = match kept {
            Some(_) => self.handle.abort().await,
            None => self.handle.discard().await,
        };
        match (ended, kept) {
            (Ok(()), Some((size, old))) => published(&mut open, size, old.as_ref()),
            (Ok(()), None) => Left::default(),
            (Err(fault), _) => {
                tracing::warn!(sender = "sftpd", path = %self.path, error = %fault, "a broken upload left nothing");
                Left::unknown()
            }
        }
    }

    /// Cuts the part to what was granted; returns its size and what it will replace, nothing where
    /// no file may be made.
    async fn part_that_fits(&self) -> Option<(u64, Option<Metadata>)> {
        let old = self.target().await.ok()?;
        if old.is_none() && !self.reservation.lock().await.has_file() {
            return None;
        }
        let size = self.handle.stat().await.ok()?.size;
        let granted = self.reservation.lock().await.granted();
        let most = old.map_or(0, |old| old.size).saturating_add(granted);
        if size > most {
            let cut = SetAttributes { size: Some(most), ..SetAttributes::default() };
            self.handle.set_attributes(cut).await.ok()?;
        }
        Some((size.min(most), old))
    }

    /// Accounts what has changed and tells about the transfer.
    async fn settle(&self, left: Left) {
        let broken = self.broken.lock().clone();
        self.reservation.lock().await.settle(left.delta).await;
        self.files.audit().transfer(&FinishedTransfer {
            direction: TransferDirection::Upload,
            path: &self.path,
            broken: broken.as_ref(),
            bytes: self.progress.bytes(),
            file_size: left.size.unwrap_or(0),
            elapsed: self.progress.elapsed(),
            resolved: self.resolved.as_ref(),
        });
    }
}

/// Counts a file that has come to its place instead of another one.
fn published(open: &mut OpenFiles, size: u64, old: Option<&Metadata>) -> Left {
    let replaced = old.map(|old| open.remove(old)).unwrap_or_default();
    Left { delta: UsageDelta::came(size).and(replaced), size: Some(size) }
}
